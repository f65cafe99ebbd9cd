"""IPython in a real terminal."""

from __future__ import annotations

import os
import re
import signal
import sys

import pexpect  # type: ignore[import-untyped]  # comes with IPython

from tests.kernel.driver import START_SECONDS

SECONDS = 10
COLUMNS = 72
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """IPython behind a pseudo-terminal, line by line."""

    def __init__(self) -> None:
        arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=nocolor"]
        environment = {**os.environ, "TERM": "xterm"}
        self.child = pexpect.spawn(
            sys.executable,
            arguments,
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(40, COLUMNS),
            env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup's would be inherited
        )
        self.child.setecho(False)
        self.child.expect(r"In \[1\]: ", timeout=START_SECONDS)
        self.run("%load_ext vibesbox")

    def run(self, line: str) -> str:
        """Type a line and wait for the next prompt; gives what stood between."""
        self.child.sendline(line)
        return self.result()

    def result(self) -> str:
        self.child.expect(r"In \[\d+\]: ", timeout=START_SECONDS)
        return _ESCAPE.sub("", str(self.child.before)).replace("\r\n", "\n")
