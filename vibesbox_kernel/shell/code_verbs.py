"""The magics that are about a cell's own text: ``%%lint`` and ``%%fmt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibesbox_kernel.errors import MagicError, VibesboxError
from vibesbox_kernel.shell.cell_head import shell_of
from vibesbox_kernel.shell.formatting import fmt
from vibesbox_kernel.shell.linting import lint
from vibesbox_kernel.shell.magic_args import FmtArgs, LintArgs
from vibesbox_kernel.shell.verb_result import VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.sessions import SessionManager
    from vibesbox_kernel.shell.magics import MagicCall
    from vibesbox_kernel.shell.runner import CellRunner


async def tend_code(manager: SessionManager, call: MagicCall, *, runner: CellRunner | None) -> VerbResult:
    """Judge or rewrite the cell that a magic stands over; nothing of it is run.

    Args:
        manager: Whose broker runs the programs that do it.
        call: The magic.
        runner: Whose shell the cell is for.

    Raises:
        MagicError: There is no cell, or no such program here.
    """
    shown = f"%%{call.name}"
    if call.body is None or not call.body.script.strip():
        raise MagicError(f"{shown}: there is no script below it", magic=shown)
    default = "bash" if runner is None else runner.settings.now.default_shell
    shell = shell_of(call.body.options, call.body.script, default=default)
    match call.args:
        case LintArgs() as args:
            return await lint(manager, args, call.body, shell=shell, variables=await _variables(runner))
        case FmtArgs() as args:
            return await fmt(manager, args, call.body, shell=shell)
    raise MagicError(f"{shown} is not about a cell", magic=shown)


async def _variables(runner: CellRunner | None) -> frozenset[str]:
    """What earlier cells have set; nothing where there is no shell."""
    if runner is None:
        return frozenset()
    try:
        return frozenset((await runner.states()).newest.state.variable_names)
    except VibesboxError:
        return frozenset()
