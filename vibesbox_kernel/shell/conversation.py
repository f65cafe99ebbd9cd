"""What happens when a foreground cell waits for input: whoever runs it is asked, and the answer is typed in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from vibesbox_kernel.errors import BrokerError, SessionEndedError, SessionNotFoundError, VibesboxError
from vibesbox_kernel.models import InputKind, ProcessInfo
from vibesbox_kernel.shell.ansi import OutputFilter, without_styles
from vibesbox_kernel.shell.held_line import HeldLine
from vibesbox_kernel.shell.notes import say
from vibesbox_kernel.shell.process_names import named

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.stream import OutputPump

BRIEF_SECONDS = 0.03
"""Most cells are over by then: the broker is not told of those that somebody attends to them."""

LOOK_SECONDS = 1.0
"""No unfinished line is held back for longer."""

MAX_PROMPT_BYTES = 2000
_END_OF_FILE = ("\x04", "^D")
"""What an answer consists of that is to end the input: Ctrl-D itself, or its name where it can not be typed."""

_KEYS = "keys"
_HOW_TO_END = "waits for input; the answer ^D ends it"
_NOBODY_ANSWERS = "waits for input, and the front-end takes none (allow_stdin is false): it gets end of file"


class Respondent(Protocol):
    """Whoever can be asked for input on behalf of a foreground cell. Called on the engine."""

    @property
    def can_answer(self) -> bool:
        """Whether asking has any hope."""

    async def ask(self, prompt: str, *, password: bool) -> str | None:
        """Ask for a line, which is returned without its newline; None if the input is to end.

        Cancelled when the session does not wait any more.
        """


class Conversation:
    """Questions of one session, and the answers, until its leader ends or ``end`` is called.

    Args:
        manager: Says when the session waits, and gives it the answers.
        session_id: The session.
        pump: Brings its output so far before it is asked for.
        line: Where its output goes.
        respondent: Who is asked.
    """

    def __init__(
        self, manager: SessionManager, session_id: str, *, pump: OutputPump, line: HeldLine, respondent: Respondent
    ) -> None:
        self._manager = manager
        self._session_id = session_id
        self._pump = pump
        self._line = line
        self._respondent = respondent
        self._said: set[str] = set()
        self._attending = False
        self._task: asyncio.Task[None] | None = None
        line.decide_by(self._is_asking)

    def begin(self) -> None:
        """Listen from now on."""
        self._task = self._manager.engine.start(self._run(), name="vibesbox-input")

    def end(self) -> None:
        """Nobody attends to the session any more; a question that is still open is withdrawn."""
        if self._task is not None:
            self._task.cancel()
        if self._attending:
            self._attending = False
            self._manager.engine.start(self._attend(attended=False), name="vibesbox-input-left")
        self._line.close()

    async def _run(self) -> None:
        await asyncio.sleep(BRIEF_SECONDS)
        with contextlib.suppress(SessionNotFoundError, BrokerError):  # it is over, and was forgotten or lost
            while True:
                if not self._attending:
                    await self._attend(attended=True)
                kind = await self._manager.wait_input_wanted(self._session_id)
                if kind is None:
                    return
                await self._respond(kind)

    async def _is_asking(self) -> bool:
        """Whether a box is about to be shown: on a busy machine it may take its time to see that."""
        with contextlib.suppress(VibesboxError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._manager.look_at_input(self._session_id) not in (None, InputKind.KEYS)
        return False

    async def _attend(self, *, attended: bool) -> None:
        with contextlib.suppress(SessionEndedError, SessionNotFoundError, BrokerError):  # over, or still in a queue
            await self._manager.attend_input(self._session_id, attended=attended)
            self._attending = attended

    async def _respond(self, kind: InputKind) -> None:
        if not self._respondent.can_answer:
            await self._end_input(kind)
        elif kind is InputKind.KEYS:
            await self._say_that_keys_are_wanted()
            await self._manager.wait_input_not_wanted(self._session_id, kind)
        else:
            await self._ask(kind)

    async def _end_input(self, kind: InputKind) -> None:
        """Nobody will ever answer. A program that takes keys may take no notice: it is not asked again and again."""
        if kind is InputKind.KEYS and _NOBODY_ANSWERS in self._said:
            await self._manager.wait_input_not_wanted(self._session_id, kind)
            return
        self._say_once(_NOBODY_ANSWERS)
        await self._send("", eof=True)

    async def _ask(self, kind: InputKind) -> None:
        prompt = await self._prompt()
        self._line.lend()
        if not prompt and not self._manager.output_end(self._session_id):
            self._say_once(_HOW_TO_END)
        question = self._respondent.ask(prompt, password=kind is InputKind.PASSWORD)
        asking = asyncio.create_task(question, name="vibesbox-question")
        waiting = asyncio.create_task(self._manager.wait_input_not_wanted(self._session_id, kind))
        try:
            await asyncio.wait((asking, waiting), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                self._line.drop_lent()  # the front-end shows it, with the answer
                await self._take_answer(asking.result(), kind)
        finally:
            asking.cancel()
            waiting.cancel()
            self._line.show_lent()  # the box is gone, and with it the prompt

    async def _take_answer(self, answer: str | None, kind: InputKind) -> None:
        if answer is None or answer in _END_OF_FILE:
            await self._send("", eof=True)
            return
        text = answer if kind is InputKind.KEY and answer else f"{answer}\n"
        # A front-end has ended the line itself; after a password the program does so too, since nothing was echoed.
        self._line.expect_echo(
            "\n" if kind is InputKind.PASSWORD else echo_of(text, whole_lines=kind is InputKind.LINE)
        )
        await self._send(text, eof=False)

    async def _send(self, text: str, *, eof: bool) -> None:
        with contextlib.suppress(SessionEndedError):
            await self._manager.send_input(self._session_id, text, eof=eof)

    async def _prompt(self) -> str:
        """The last line of the output, as far as it has come; all of that is shown now."""
        end = self._manager.output_end(self._session_id)
        await self._pump.flush_to(end)
        start = max(0, end - MAX_PROMPT_BYTES)
        chunk = await self._manager.read(self._session_id, start, max_bytes=end - start) if end > start else None
        return last_line(chunk.data) if chunk is not None else ""

    async def _say_that_keys_are_wanted(self) -> None:
        """Once; of a program that draws on the whole screen the pump has said so."""
        await self._pump.flush_to(self._manager.output_end(self._session_id))
        if _KEYS in self._said or self._pump.on_screen:
            return
        self._said.add(_KEYS)
        info = self._manager.info(self._session_id)
        ref = info.name or info.pid
        processes: tuple[ProcessInfo, ...] = ()
        with contextlib.suppress(SessionEndedError):
            processes = await self._manager.processes(self._session_id, awaited=True)
        who = named(processes[-1:], leader=info.pid) or "a program"
        say(
            self._line,
            f"{who} takes single keys, and a cell has no keyboard: in a notebook a button, or %fg -w {ref}, opens a "
            f"terminal for it; %send {ref} -n TEXT types them, from a subshell or once %bg has sent the cell away; an "
            "interrupt ends it",
        )
        self._pump.offer_terminal()

    def _say_once(self, notice: str) -> None:
        if notice not in self._said:
            self._said.add(notice)
            say(self._line, notice)


def last_line(data: bytes) -> str:
    """What stands in the last line of some output, as plain text."""
    return without_styles(OutputFilter().feed(data.rpartition(b"\n")[2].rpartition(b"\r")[2], final=True))


def echo_of(text: str, *, whole_lines: bool = True) -> str:
    """What a terminal echoes of a text that is typed into it.

    Args:
        text: The text.
        whole_lines: It takes lines; one that takes keys echoes Enter as any other of them.

    Source: termios(3), ECHOCTL.
    """
    plain = "\n\t" if whole_lines else "\t"
    return "".join(one if one in plain or " " <= one != "\x7f" else f"^{chr(ord(one) ^ 64)}" for one in text)
