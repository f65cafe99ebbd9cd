"""Who is at the other end of a socket, and word of its death: for the broker and for its clients."""

from __future__ import annotations

import os
import select
import socket
import struct
import sys

if sys.platform == "darwin":
    _SOL_LOCAL = 0
    _LOCAL_PEERCRED = 1
    _LOCAL_PEERPID = 2
    _XUCRED_BYTES = 76
    """Version, uid, number of groups, sixteen groups."""

    def peer_credentials(connection: socket.socket) -> tuple[int, int]:
        """Pid and uid of the process at the other end, as they were when it last used its end.

        Source: unix(4), LOCAL_PEERPID and LOCAL_PEERCRED.
        """
        credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_BYTES)
        _, uid = struct.unpack_from("=II", credentials)
        (pid,) = struct.unpack("=i", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
        return pid, uid

    class Deathwatch:
        """Readable, for ever, once a process has ended; for selectors and event loops.

        Source: kqueue(2), EVFILT_PROC with NOTE_EXIT.

        Raises:
            OSError: It has ended already.
        """

        def __init__(self, pid: int) -> None:
            self._queue = select.kqueue()
            event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            try:
                self._queue.control([event], 0)
            except BaseException:
                self._queue.close()
                raise

        def fileno(self) -> int:
            """The descriptor to wait for; -1 when closed."""
            return -1 if self._queue.closed else self._queue.fileno()

        def close(self) -> None:
            """Let go of the descriptor."""
            self._queue.close()

else:

    def peer_credentials(connection: socket.socket) -> tuple[int, int]:
        """Pid and uid of the process at the other end, as they were when it connected or began to listen.

        Source: unix(7), SO_PEERCRED.
        """
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", packed)
        return pid, uid

    class Deathwatch:
        """Readable, for ever, once a process has ended; for selectors and event loops.

        Source: pidfd_open(2).

        Raises:
            OSError: It is gone already, or in another pid namespace.
        """

        def __init__(self, pid: int) -> None:
            self._descriptor = os.pidfd_open(pid)

        def fileno(self) -> int:
            """The descriptor to wait for; -1 when closed."""
            return self._descriptor

        def close(self) -> None:
            """Let go of the descriptor."""
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)
