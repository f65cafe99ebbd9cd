"""What the processes of a session are called in a message."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vibesbox_kernel.models import InterruptReport, ProcessInfo

MAX_NAMED = 6
_MAX_NAME = 40
_SHELL_OF_A_CELL = " --noprofile --norc -c { builtin "
"""Stands on the command line of every bash that runs a cell, and of its subshells; see ``Driver.cell_argv``."""


def interrupt_in_words(report: InterruptReport, *, leader: int | None) -> str:
    """Whom an interrupt was sent to, and whom it has left alone."""
    if not report.reached_count:
        return "interrupted, but there was nobody to interrupt"
    text = f"interrupted: SIGINT to {named(report.reached, leader=leader, count=report.reached_count)}"
    if report.jobs:
        text += f"; left running in the background: {named(report.jobs, leader=leader)}"
    return text


def named(processes: Sequence[ProcessInfo], *, leader: int | None, count: int | None = None) -> str:
    """``the shell (pid 5), sleep 100 (pid 6) and 3 more``.

    Args:
        processes: The processes.
        leader: The pid of the session's leader.
        count: How many they are, if these are not all.
    """
    words = [f"{_name(one, leader)} (pid {one.pid})" for one in processes[:MAX_NAMED]]
    more = (count or len(processes)) - len(words)
    if more > 0:
        return f"{', '.join(words)} and {more} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def command_in_words(process: ProcessInfo, leader: int | None) -> str:
    """The beginning of a process's command line; a shell of ours is called so."""
    if _SHELL_OF_A_CELL in process.command:
        return "the shell" if process.pid == leader else "a subshell"
    return process.command or "a process"


def _name(process: ProcessInfo, leader: int | None) -> str:
    words = command_in_words(process, leader)
    return words if words != process.command else _brief(process.command) or "a process"


def _brief(command: str) -> str:
    """A program and perhaps its first argument: messages are saved with the notebook, and the rest may be secret."""
    program, *arguments = command.split()[:2] or [""]
    name = program.rpartition("/")[2][:_MAX_NAME]
    if arguments and re.fullmatch(r"[\w./+-]+", arguments[0]) and not arguments[0].startswith("-"):
        return f"{name} {arguments[0][-_MAX_NAME:]}"
    return name
