"""A random program of fork, setsid, close, write, exit and kill, run as one process tree; the model is in ``model``.

``python -I -S story.py STORY``: the story is JSON, a list of steps of one process:

``["write", text]`` one line · ``["fork", story, waited]`` a child that lives its own story · ``["setsid"]`` ·
``["close", descriptor]`` · ``["exit", code]`` · ``["kill", signal]`` itself · ``["stay"]`` until it is killed ·
``["exec"]`` become a new program, environment scrubbed, that goes on with the story.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any


def live(story: list[Any]) -> None:
    """Do step after step; a story without an end ends with code 0."""
    for number, (verb, *facts) in enumerate(story):
        if verb == "write":
            _write(facts[0])
        elif verb == "fork":
            _fork(*facts)
        elif verb == "setsid":
            _leave()
        elif verb == "close":
            _close(facts[0])
        elif verb == "exit":
            os._exit(facts[0])
        elif verb == "kill":
            os.kill(os.getpid(), facts[0])
        elif verb == "stay":
            os.execv("/bin/sleep", ["sleep", "600"])
        elif verb == "exec":
            rest = json.dumps(story[number + 1 :])
            os.execve(sys.executable, [sys.executable, "-I", "-S", __file__, rest], {})
    os._exit(0)


def _write(text: str) -> None:
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:
        os._exit(99)  # a closed stream: the model says the same


def _fork(story: list[Any], waited: bool) -> None:
    child = os.fork()
    if child == 0:
        live(story)
    if waited:
        os.waitpid(child, 0)


def _leave() -> None:
    with contextlib.suppress(PermissionError):  # it leads its group already
        os.setsid()


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # it was closed before
        os.close(descriptor)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    live(json.loads(sys.argv[1]))
