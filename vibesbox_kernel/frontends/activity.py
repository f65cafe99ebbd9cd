"""A kernel with running sessions shows activity, so that no server takes it for idle and ends it.

Servers that end idle kernels (jupyter_server's culler, and what hubs have on top of it) go by the messages that a
kernel publishes. A session in the background may work for hours and put out nothing.
"""

# mypy: allow-untyped-calls
# ipykernel annotates few of its methods.
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipykernel.kernelbase import Kernel

    from vibesbox_kernel.sessions import SessionManager

ACTIVITY_SECONDS = 3.0
"""How often; a server's time-out is in minutes, as a rule."""
NO_COMM = "vibesbox-activity"
"""The id of a comm that nobody opens: front-ends pass over a message for it, and servers count it as any."""


async def show_activity(manager: SessionManager, kernel: Kernel) -> None:
    """Publish a message now and then, while a session of ours lasts. Runs on the engine until it is cancelled.

    A session that was not there at the last look has just been started by something that was published itself. Clients
    that expect only a short cell's own messages while it runs get no other, then.
    """
    before: set[str] = set()
    while True:
        await asyncio.sleep(ACTIVITY_SECONDS)
        now = _at_work(manager)
        if kernel.session is not None and now & before:
            content = {"comm_id": NO_COMM, "data": {}}
            kernel.session.send(kernel.iopub_socket, "comm_msg", content, ident=kernel._topic("comm_msg"))
        before = now


def _at_work(manager: SessionManager) -> set[str]:
    """The ids of our sessions that are not over."""
    return {
        info.session_id
        for info in manager.list_sessions()
        if info.ended_at is None and manager.is_ours(info.session_id)
    }
