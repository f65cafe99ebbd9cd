"""What the broker asks of the operating system beyond the standard library: one small seam.

Callers import this module; it has the names of ``system_linux`` or of ``system_darwin``, which are the
same with the same signatures, and stay the same in what they promise as far as the system allows:

| | Linux | macOS |
|---|---|---|
| an orphan | falls to us (subreaper), whatever it did | falls to launchd; looked for |
| whose it is | its tag, which nothing washes off; its marker | its marker; its leader's POSIX session |
| a signal | to a process that is pinned by a pidfd | after a last look at the time of its birth |
| what a dead broker left | hangs from its guardian | looked for, like orphans |
| a descriptor limit for a child | set on it once it is there | inherited |
| our turns on a processor | short and soon, from Linux 6.12 on | as the system likes |
| where from | proc(5), prctl(2), prlimit(2) | libproc, sysctl(3) |

``ADOPTS_ORPHANS`` says which of the two columns holds for orphans, and ``WEAKNESSES`` says in words for
users what is weaker than on Linux. The death of a peer is watched in ``peer``, which clients need as well.
"""

from __future__ import annotations

import sys

if sys.platform == "darwin":
    from vibesbox_kernel.broker.system_darwin import *  # noqa: F403 - __all__ says what, and a test that it is the same
else:
    from vibesbox_kernel.broker.system_linux import *  # noqa: F403
