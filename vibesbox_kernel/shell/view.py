"""How somebody looks at a session: its output is shown, and if it may be answered here, its questions are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.conversation import Conversation
from vibesbox_kernel.shell.held_line import HeldLine
from vibesbox_kernel.shell.passing_line import quiet_line
from vibesbox_kernel.shell.stream import OutputPump

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.conversation import Respondent
    from vibesbox_kernel.shell.passing_line import PassingLine
    from vibesbox_kernel.shell.settings import Values
    from vibesbox_kernel.shell.sink import OutputSink


@dataclass(frozen=True, eq=False)
class View:
    """Somebody's look at a session.

    Attributes:
        sink: Where its output goes.
        pump: Shows it, until the session ends.
        conversation: Asks for its input, if there is somebody to ask.
        quiet: Says how long it runs while it puts out nothing, if somebody looks on.
    """

    session_id: str
    sink: OutputSink
    pump: OutputPump
    conversation: Conversation | None
    quiet: PassingLine | None

    @classmethod
    def of(
        cls,
        manager: SessionManager,
        session_id: str,
        sink: OutputSink,
        respondent: Respondent | None,
        *,
        start: int = 0,
        settings: Values | None = None,
        quiet_after: float = 0.0,
    ) -> View:
        """Prepare a look; nothing is shown or asked yet.

        Args:
            manager: Whose session it is.
            session_id: The session.
            sink: Where its output goes.
            respondent: Who is asked for input when it waits for it; None if nobody is.
            start: The cursor to begin at.
            settings: How much of it is shown; the usual, if none are given.
            quiet_after: Seconds without output after which it is said how long it runs; 0 for never.
        """
        quiet = quiet_line(manager, session_id, sink, after=quiet_after)
        if respondent is None:
            pump = OutputPump(manager, session_id, sink, start=start, settings=settings)
            return cls(session_id, sink, pump, None, quiet)
        line = HeldLine(sink, holds=respondent.can_answer)
        pump = OutputPump(manager, session_id, line, start=start, settings=settings)
        conversation = Conversation(manager, session_id, pump=pump, line=line, respondent=respondent)
        return cls(session_id, line, pump, conversation, quiet)

    def attend(self) -> None:
        """Somebody waits for the session: ask for input whenever it waits for that, and say when it is quiet."""
        if self.quiet is not None:
            self.quiet.begin()
        if self.conversation is not None:
            self.conversation.begin()

    def attend_no_more(self) -> None:
        """Its input is nobody's affair here any more, and nothing of its output is held."""
        if self.quiet is not None:
            self.quiet.end()
        if self.conversation is not None:
            self.conversation.end()
