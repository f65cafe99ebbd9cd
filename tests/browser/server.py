"""A JupyterLab server of the tests' own: nothing of the user's Jupyter reaches it, and it dies with its test run."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_SECONDS = 120
STOP_SECONDS = 20

# A run that is killed runs no teardown: the kernel then ends the server, which ends its kernels.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the test run is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""

_QUIET: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
}


class LabServer:
    """JupyterLab on a free port, with its own configuration, data, runtime, settings and workspace directories.

    Args:
        root: An empty directory; ``files`` in it is what JupyterLab shows.
        settings: JupyterLab's user settings by plugin, such as
            ``{"@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"}}``.
        env: Variables to add to the environment of the server and its kernels.
        args: More arguments, such as ``["--ZMQChannelsWebsocketConnection.limit_rate=False"]``.
    """

    def __init__(
        self,
        root: Path,
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        self.files = root / "files"
        self.files.mkdir(parents=True)
        self.runtime = root / "runtime"
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._root = root
        self._log = root / "server.log"
        self._write_settings({**_QUIET, **(settings or {})})
        self._process = self._launch(env or {}, args)

    @property
    def log(self) -> str:
        """What the server and its kernels have written so far."""
        return self._log.read_text(errors="replace")

    def request(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        """One call of Jupyter's REST API, such as ``request("GET", "/api/kernels")``; None for an empty answer."""
        headers = {"Authorization": f"token {self.token}"}
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def start_kernel(self, name: str) -> str:
        """Start a kernel by its kernelspec, without a notebook; returns its id."""
        return str(self.request("POST", "/api/kernels", {"name": name})["id"])

    def shut_kernels_down(self) -> None:
        """End every notebook's kernel, as *Shut Down All* does."""
        for one in self.request("GET", "/api/sessions"):
            self.request("DELETE", f"/api/sessions/{one['id']}")

    def wait_ready(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: It ended, or did not answer within two minutes; the message holds its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"JupyterLab did not start:\n{self.log}")
            time.sleep(0.1)

    def close(self) -> None:
        """Ask the server to end its kernels and itself, and see that it did."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answers(self) -> bool:
        try:
            self.request("GET", "/api/status")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def _write_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        for plugin, values in settings.items():
            package, _, name = plugin.partition(":")
            path = self._root / "settings" / package / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def _launch(self, env: Mapping[str, str], args: Sequence[str]) -> subprocess.Popen[bytes]:
        directories = {f"JUPYTER_{kind}_DIR": str(self._root / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
        command = [
            *(sys.executable, "-c", _DIE_WITH_PARENT, str(os.getpid())),
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"),
            *(f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", "--ServerApp.allow_root=True"),
            f"--ServerApp.root_dir={self.files}",
            "--LabApp.expose_app_in_browser=True",  # the harness drives it through window.jupyterapp
            f"--LabApp.user_settings_dir={self._root / 'settings'}",
            f"--LabApp.workspaces_dir={self._root / 'workspaces'}",
            *args,
        ]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self.files,
                env={**os.environ, **directories, "JUPYTER_TOKEN": self.token, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
