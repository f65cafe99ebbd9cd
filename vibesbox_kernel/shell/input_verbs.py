"""``%send``: input for a session, which is never repeated: it may be a secret."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError
from vibesbox_kernel.shell.magic_args import SendArgs
from vibesbox_kernel.shell.references import find, label
from vibesbox_kernel.shell.verb_result import VerbResult, plain

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager


async def send(manager: SessionManager, args: SendArgs) -> VerbResult:
    """Type a text, with Enter or without, end the input, or both."""
    info = await find(manager, args.ref)
    text = "" if args.text is None else f"{args.text}\n" if args.enter else args.text
    if args.secret:
        await manager.send_input(info.session_id, text, eof=args.eof, hidden=True)
        done = ["sent what was asked for"]
    else:
        await manager.send_input(info.session_id, text, eof=args.eof)
        done = [f"sent {len(text.encode())} bytes"] if text else []
    done += ["ended the input"] if args.eof else []
    return VerbResult(f"{label(info)}: {' and '.join(done)}\n", data=plain(info))


async def secret_prompt(manager: SessionManager, args: SendArgs) -> str:
    """With what words ``--secret`` asks for its text.

    Raises:
        SessionNotFoundError: There is no such session; nobody need be asked.
    """
    return f"Secret for {label(await find(manager, args.ref))}: "


def given_secret(args: SendArgs, text: str | None) -> SendArgs:
    """The same with the text that ``--secret`` has asked for.

    Raises:
        MagicError: None was given.
    """
    if text is None:
        raise MagicError("%send --secret: there was no answer; nothing is sent", magic="%send")
    return replace(args, text=text)
