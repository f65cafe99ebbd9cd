"""Programs that make processes hard to find: each is written to a file and run as a session."""

from __future__ import annotations

import random
import shlex
import sys
from pathlib import Path

# Becomes the kinds that it is given, one after the other, and then sleeps.
_BECOME = r"""#!/bin/bash
kind=${1-}; shift
case $kind in
  setsid)  exec /usr/bin/setsid "$0" "$@" ;;
  scrub)   exec /usr/bin/env -i /bin/bash "$0" "$@" ;;
  nohup)   exec /usr/bin/nohup "$0" "$@" ;;
  deaf)    trap '' INT TERM HUP QUIT; exec "$0" "$@" ;;
  nofds)   for f in /proc/$BASHPID/fd/*; do f=${f##*/}; [ "$f" = 255 ] || eval "exec $f>&-"; done; exec "$0" "$@" ;;
  disown)  "$0" "$@" & disown; exit 0 ;;
  orphan)  ( "$0" "$@" & ); exit 0 ;;
  parent)  "$0" "$@" & wait ;;
  pair)    "$0" "$@" & exec "$0" "$@" ;;
  daemon)  exec @PYTHON@ -I -S -c 'import os, sys
if os.fork(): os._exit(0)
os.setsid(); os.chdir("/"); os.umask(0)
if os.fork(): os._exit(0)
os.closerange(0, 1024); os.open("/dev/null", os.O_RDWR); os.dup(0); os.dup(0)
os.execv("/bin/bash", ["bash", *sys.argv[1:]])' "$0" "$@" ;;
  *)       exec /bin/sleep 600 ;;
esac
"""

KINDS = ("setsid", "scrub", "nohup", "deaf", "nofds", "disown", "orphan", "parent", "daemon")


def write_become(directory: Path) -> Path:
    """The program that becomes what its arguments say."""
    path = directory / "become"
    path.write_text(_BECOME.replace("@PYTHON@", shlex.quote(sys.executable)))
    path.chmod(0o755)
    return path


def random_ways(dice: random.Random) -> list[str]:
    """Two to five kinds, one after the other: a daemon of a scrubbed orphan that ignores signals, for example."""
    return [dice.choice(KINDS) for _ in range(dice.randint(2, 5))]


# Forks a chain of eight every millisecond; of each some leave their session, some lose their parent, some stay.
FORKING = """
import os, random, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
dice = random.Random(SEED)
def chain(depth):
    if dice.random() < 0.5: os.setsid()
    if depth == 0:
        time.sleep(600 if dice.random() < 0.05 else 0.02)
        os._exit(0)
    if os.fork() == 0:
        dice.seed(os.getpid())
        chain(depth - 1)
    time.sleep(dice.choice((0, 0.005, 0.03)))
    os._exit(0)
while True:
    if os.fork() == 0:
        dice.seed(os.getpid())
        chain(8)
    time.sleep(0.001)
"""

# As many processes as the limit allows, each in a session of its own and trying for one more every millisecond.
# At END (of the monotonic clock, in seconds) each leaves by itself, whatever has become of the test.
# Without a limit of their own uid, a pipe of tokens bounds them: who forks has taken one, and none is ever given back.
BOMB = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
tokens, fill = os.pipe()
os.set_blocking(tokens, False)
os.write(fill, b"x" * TOKENS)
os.close(fill)
while time.monotonic() < END:
    try:
        if TOKENS and not os.read(tokens, 1): raise BlockingIOError
        if os.fork() == 0: os.setsid()
    except OSError:
        time.sleep(0.001)
"""

# Two that watch each other through pipes: whoever dies is started again by the one that is left.
PHOENIX = """
import os, signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
held = os.open(LIFELINE, os.O_WRONLY)
while True:
    above, mine = os.pipe()
    below, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(mine), os.close(below)
        os.write(held, b"%d\\n" % os.getpid())
        os.read(above, 1)
        os.close(above), os.close(theirs)
    else:
        os.close(above), os.close(theirs)
        os.read(below, 1)
        os.close(mine), os.close(below)
"""


def python(source: str, *, program: str = sys.executable, **names: object) -> str:
    """The command that runs a source with these names set; in an argument, so that any user can."""
    head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return f"{shlex.quote(program)} -I -S -c {shlex.quote(head + source)}"
