"""``%fg``: wait for a session that runs already, as for a cell of one's own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vibesbox_kernel.shell.escalation import Interruption
from vibesbox_kernel.shell.notes import say
from vibesbox_kernel.shell.outcome import CellOutcome, outcome_of_followed
from vibesbox_kernel.shell.output_verbs import tail_start
from vibesbox_kernel.shell.passing_line import quiet_after
from vibesbox_kernel.shell.view import View

if TYPE_CHECKING:
    from vibesbox_kernel.models import SessionInfo
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.conversation import Respondent
    from vibesbox_kernel.shell.foreground import Foreground
    from vibesbox_kernel.shell.settings import Values
    from vibesbox_kernel.shell.sink import OutputSink


@dataclass(frozen=True, eq=False)
class Followed:
    """A session that is followed in the foreground.

    Attributes:
        left: It was sent to the background again, where it came from.
    """

    session_id: str
    interruption: Interruption
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def let_go(self) -> None:
        """Stop looking."""
        self.left.set()


async def open_view(
    manager: SessionManager,
    info: SessionInfo,
    sink: OutputSink,
    respondent: Respondent | None,
    *,
    lines: int,
    settings: Values,
) -> View:
    """Look at a session from its last lines on; nothing is shown yet.

    Args:
        manager: Whose session it is.
        info: The session.
        sink: Where its output goes.
        respondent: Who is asked for input when it waits for it.
        lines: How many of its last lines to begin with.
        settings: When it is said that it is quiet.
    """
    session_id = info.session_id
    start = await tail_start(manager, session_id, lines=lines)
    can_be_answered = info.io.is_terminal and manager.is_ours(session_id)
    return View.of(
        manager,
        session_id,
        sink,
        respondent if can_be_answered else None,
        start=start,
        quiet_after=quiet_after(settings, respondent),
    )


async def follow(manager: SessionManager, foreground: Foreground, view: View, *, interrupt_grace: float) -> CellOutcome:
    """Show a session's output until it is over, or until it is sent to the background. Runs on the engine.

    Args:
        manager: Whose session it is.
        foreground: Where its interrupts come from.
        view: Where it is shown.
        interrupt_grace: Seconds from an interrupt to its escalation.
    """
    interruption = Interruption(manager, view.session_id, grace=interrupt_grace, say=lambda step: say(view.sink, step))
    followed = Followed(view.session_id, interruption)
    whole = manager.engine.start(_show_to_the_end(manager, view), name="vibesbox-follow")
    left = manager.engine.start(followed.left.wait(), name="vibesbox-follow-left")
    try:
        await foreground.add(followed)
        view.attend()
        await asyncio.wait([whole, left], return_when=asyncio.FIRST_COMPLETED)
        await interruption.end()
    finally:
        foreground.discard(followed)
        whole.cancel()
        left.cancel()
        view.attend_no_more()
    info, was_left = manager.info(view.session_id), followed.left.is_set()
    if was_left:
        say(view.sink, "not followed any more; it goes on")
    return outcome_of_followed(info, interrupted=interruption.requested, left=was_left)


async def _show_to_the_end(manager: SessionManager, view: View) -> None:
    await view.pump.run()
    await manager.wait(view.session_id)
