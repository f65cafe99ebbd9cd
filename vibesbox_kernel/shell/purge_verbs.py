"""``%vibesbox purge``: what ended sessions have left is deleted, and how much that was is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibesbox_kernel.shell.human import format_bytes, format_duration
from vibesbox_kernel.shell.magic_args import PurgeArgs
from vibesbox_kernel.shell.verb_result import VerbResult

if TYPE_CHECKING:
    from vibesbox_kernel.models import PurgeReport
    from vibesbox_kernel.sessions import SessionManager


async def purge(manager: SessionManager, args: PurgeArgs) -> VerbResult:
    """Delete, or say what would be deleted."""
    report = await manager.purge(args.older_than, dry_run=args.dry_run)
    failure = f"{len(report.failed)} could not be deleted: {', '.join(report.failed)}" if report.failed else None
    return VerbResult(
        f"{_what_was_done(report)}{_what_is_kept(report, args)}\n", data=report.model_dump(mode="json"), failure=failure
    )


def _what_was_done(report: PurgeReport) -> str:
    if not report.sessions:
        return "there is nothing to delete"
    what = f"{_sessions(report.sessions, 'ended ')} with {'its' if report.sessions == 1 else 'their'} output"
    size = format_bytes(report.freed_bytes)
    return f"would delete {what}, {size}; nothing was deleted" if report.dry_run else f"deleted {what}: {size} freed"


def _what_is_kept(report: PurgeReport, args: PurgeArgs) -> str:
    if not report.kept:
        return ""
    return f"; {_sessions(report.kept)} ended less than {format_duration(args.older_than)} ago (--all means these too)"


def _sessions(count: int, kind: str = "") -> str:
    return f"{count} {kind}session{'' if count == 1 else 's'}"
