"""``%vibesbox state``: what cells hand on, and going back to what they have handed on before."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vibesbox_kernel.errors import MagicError, NoEarlierStateError
from vibesbox_kernel.shell.magic_args import StateAction, StateArgs
from vibesbox_kernel.shell.references import label
from vibesbox_kernel.shell.state_text import describe_state, short, state_data
from vibesbox_kernel.shell.verb_result import Json, VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.generations import Generations
    from vibesbox_kernel.shell.runner import CellRunner


async def tend_state(manager: SessionManager, runner: CellRunner, args: StateArgs, *, width: int) -> VerbResult:
    """Show the state, begin again from the first, or go back; the next cell starts from what it is then.

    Raises:
        MagicError: So many earlier states are not remembered; nothing has changed.
    """
    opened = (await runner.states()).descriptors
    match args.action:
        case StateAction.SHOW:
            return _shown(await runner.states(), _jobs(manager), width)
        case StateAction.RESET:
            await runner.reset()
        case StateAction.BACK:
            await _go_back(runner, args.cells)
    states = await runner.states()
    text = f"the next cell starts from state {short(states.newest)}, in {states.newest.state.cwd}"
    if opened is not None:
        text += f"; what was open ({', '.join(map(str, opened.numbers))}) is not any more"
    return VerbResult(f"{text}\n", data=_plain(states))


async def _go_back(runner: CellRunner, cells: int) -> None:
    try:
        await runner.go_back(cells)
    except NoEarlierStateError as error:
        raise MagicError(f"%vibesbox state back: {error}", magic="%vibesbox") from error


def _jobs(manager: SessionManager) -> list[str]:
    """What cells that have come to their end have left running: they belong to those cells, and no state has them."""
    ours = (info for info in manager.list_sessions() if info.is_running and manager.is_ours(info.session_id))
    return [label(info) for info in ours if info.leftovers]


def _shown(states: Generations, jobs: list[str], width: int) -> VerbResult:
    text, html = describe_state(states, jobs=jobs, width=width)
    return VerbResult(text, html=html, data=_plain(states))


def _plain(states: Generations) -> Json:
    return cast("Json", state_data(states))
