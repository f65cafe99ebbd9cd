"""What is said where output is left out."""

from __future__ import annotations

from vibesbox_kernel.shell.human import format_bytes


def omission_notice(ref: str, count: int | None, *, dropped: int = 0) -> str:
    """The line between the head and the tail.

    Args:
        ref: What the user can call the session.
        count: How many bytes are left out; None as long as the output goes on.
        dropped: How many bytes are not stored any more.
    """
    how = f"%tail {ref} -n 200 shows more, %tail {ref} --save FILE writes it all"
    if count is None:
        return f"[vibesbox: much output; from here on only its last lines are shown; {how}]"
    if count == 0:
        return f"[vibesbox: nothing is left out; the rest of the output follows; {how}]"
    gone = f" ({dropped:,} bytes of the output are not stored any more)" if dropped else ""
    return f"[vibesbox: {count:,} bytes ({format_bytes(count)}) are left out here{gone}; {how}]"
