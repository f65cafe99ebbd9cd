"""Sessions: the manager that everything else stands on, and its blocking twin."""

from vibesbox_kernel.sessions.blocking import BlockingSessionManager
from vibesbox_kernel.sessions.command_session import CommandSession
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.sessions.manager import SessionManager
from vibesbox_kernel.sessions.mirror import Ref
from vibesbox_kernel.sessions.prepared import Handover, PreparedSession
from vibesbox_kernel.sessions.subscription import Subscription
from vibesbox_kernel.sessions.workspace import Workspace

__all__ = [
    "BlockingSessionManager",
    "CommandSession",
    "Engine",
    "Handover",
    "PreparedSession",
    "Ref",
    "SessionManager",
    "Subscription",
    "Workspace",
]
