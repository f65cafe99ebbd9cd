"""``vibesbox-show``: show a picture, a table or another rich file in the notebook, from inside a session."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
from collections.abc import Sequence

from vibesbox_kernel.tools.bundles import Bundle, NotShowableError, make_bundle, max_bytes
from vibesbox_kernel.tools.kinds import BY_NAME, UnknownKindError, kind_by_word, kind_of
from vibesbox_kernel.tools.protocol import (
    MAX_HEADER_BYTES,
    MAX_ID_CHARACTERS,
    SESSION_VARIABLE,
    SOCKET_VARIABLE,
    Header,
)

STDIN = "-"
_FIRST_BYTES = 1 << 16


class ShowError(Exception):
    """Something is not shown; says why."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status: 0 when all is shown, 1 when something is not."""
    wanted = _parser().parse_args(arguments)
    names = wanted.files or [STDIN]
    if wanted.display_id is not None and len(names) > 1:
        print("vibesbox-show: --id is for one file: each would replace the one before", file=sys.stderr)
        return 2
    status = 0
    for name in names:
        try:
            _show(name, wanted.kind, wanted.display_id)
        except (ShowError, NotShowableError, UnknownKindError) as error:
            print(f"vibesbox-show: {_called(name)}: {error}", file=sys.stderr)
            status = 1
        except KeyboardInterrupt:
            return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vibesbox-show",
        description="Show files in the notebook: pictures, HTML, JSON, Markdown, CSV as a table, LaTeX, PDF, text.",
        epilog="Without FILE, or for -, it reads its standard input. It returns when the notebook shows the file, so "
        "what the cell writes afterwards comes below it.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument(
        "-t",
        "--type",
        dest="kind",
        type=_kind,
        metavar="TYPE",
        help=f"what it is: a MIME type or one of {', '.join(BY_NAME)}",
    )
    parser.add_argument(
        "-i",
        "--id",
        dest="display_id",
        type=_display_id,
        metavar="ID",
        help="replace what this session shows by this id",
    )
    return parser


def _kind(word: str) -> str:
    try:
        return kind_by_word(word)
    except UnknownKindError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _display_id(text: str) -> str:
    if not text or len(text) > MAX_ID_CHARACTERS or not text.isprintable():
        raise argparse.ArgumentTypeError(f"an id is at most {MAX_ID_CHARACTERS} printable characters, not {text!r}")
    return text


def _show(name: str, kind: str | None, display_id: str | None) -> None:
    session, path = _whereabouts()
    kind, data = _read(name, kind)
    bundle = make_bundle(kind, data, name=_called(name))
    header = Header(session, display_id, tuple((part, len(body)) for part, body in bundle))
    answer = _ask(path, header, bundle)
    if "error" in answer:
        raise ShowError(str(answer["error"]))


def _whereabouts() -> tuple[str, str]:
    """Our session, and the socket of its notebook."""
    session, path = os.environ.get(SESSION_VARIABLE), os.environ.get(SOCKET_VARIABLE)
    if not session or not path:
        raise ShowError("there is no notebook to show it in: this command works inside the cells of one")
    return session, path


def _read(name: str, kind: str | None) -> tuple[str, bytes]:
    """What a file is and what is in it, or a little more than may be: that will be said."""
    if name == STDIN and sys.stdin.isatty():
        raise ShowError("name a file, or give it something to read")
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if name == STDIN else open(name, "rb") as file:
            data = file.read(_FIRST_BYTES)
            kind = kind or kind_of(name, _whole_characters(data))
            return kind, data + file.read(max_bytes(kind) + 1)
    except OSError as error:
        raise ShowError(error.strerror or str(error)) from None


def _whole_characters(data: bytes) -> bytes:
    """Without the last bytes, if they may be half a character only because the reading ended there."""
    return data if len(data) < _FIRST_BYTES else data[: data.rfind(b"\n") + 1] or data[:-3]


def _ask(path: str, header: Header, bundle: Bundle) -> dict[str, object]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused early: the answer says why
                connection.sendall(header.encode())
                for _, body in bundle:
                    connection.sendall(body)
            answer = connection.makefile("rb").readline(MAX_HEADER_BYTES)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ShowError("the notebook that this session belongs to is gone, or was restarted") from None
    except OSError as error:
        raise ShowError(f"the notebook can not be reached: {error.strerror or error}") from None
    try:
        decoded = json.loads(answer)
    except ValueError:
        decoded = None
    return decoded if isinstance(decoded, dict) else {"error": "the notebook gave no answer; is it shutting down?"}


def _called(name: str) -> str:
    return "standard input" if name == STDIN else name
