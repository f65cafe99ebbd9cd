"""The Vibesbox kernel: Jupyter's requests in, calls down to the sessions, Jupyter's replies out."""

# mypy: allow-untyped-calls
# ipykernel annotates few of its methods.
from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import traitlets
from ipykernel._version import kernel_protocol_version
from tornado.ioloop import IOLoop

from vibesbox_kernel import __version__
from vibesbox_kernel.errors import ShellStateError, VibesboxError
from vibesbox_kernel.frontends.activity import show_activity
from vibesbox_kernel.frontends.asking import StdinChannel
from vibesbox_kernel.frontends.cell_output import CellOutput
from vibesbox_kernel.frontends.comms import QuickAnswers
from vibesbox_kernel.frontends.control_comm import ControlComms
from vibesbox_kernel.frontends.execution import CellExecutor, Report
from vibesbox_kernel.frontends.help_replies import complete_reply, inspect_reply, is_complete_reply
from vibesbox_kernel.frontends.history import History, Request, history_file
from vibesbox_kernel.frontends.magic_output import MagicDoor
from vibesbox_kernel.frontends.notebook_metadata import apply_notebook_metadata
from vibesbox_kernel.frontends.replies import FACTS, failure_of_error
from vibesbox_kernel.frontends.setting_traits import ConfiguredSettings
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.sessions.engine import Engine
from vibesbox_kernel.shell.code_help import CodeHelp
from vibesbox_kernel.shell.runner import CellRunner

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 0.8
"""jupyter_client ends the kernel by force some seconds after it asked; the broker then kills alone."""
VERSION_SECONDS = 3.0
HISTORY_SECONDS = 0.1


class VibesboxKernel(ConfiguredSettings, QuickAnswers):
    """A kernel whose cells are shell scripts, each run as a managed session.

    ``self.session`` is Jupyter's message signer; our manager is ``self.sessions``.
    """

    implementation = "vibesbox"
    implementation_version = __version__
    help_links = traitlets.List(
        [
            {"text": "Bash reference manual", "url": "https://www.gnu.org/software/bash/manual/"},
            {"text": "Explain a command line", "url": "https://explainshell.com/"},
        ]
    )

    # ipykernel's pause before each reply, for a kernel whose user prints by sys.stdout; ours has none.
    _execute_sleep = traitlets.Float(0.0).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        notices = apply_notebook_metadata(self.settings, os.environ)
        # What the user runs is in other processes and never blocks this thread: the sessions' engine needs none.
        engine = Engine(loop=IOLoop.current().asyncio_loop)  # type: ignore[attr-defined]
        self.sessions = SessionManager(instance=self._broker_id(), owner="Vibesbox kernel", engine=engine)
        self._runner = CellRunner(self.sessions, settings=self.settings, notices=notices)
        self._magics = MagicDoor(self.sessions, self._runner, self._directory)
        self._cells = CellExecutor(self.sessions, self._runner, self._magics)
        ControlComms(self.sessions, self._runner).register()
        self._help = CodeHelp(self.sessions, self._runner)
        # A brief cell is over by then, and is not slowed down.
        self._history = History(
            history_file(), later=lambda write: engine.post(engine.loop.call_later, HISTORY_SECONDS, write)
        )
        self._stdin = StdinChannel(self)
        self._version: Future[str] | None = None

    # Starting and ending

    def start(self) -> None:
        """Begin to take messages; the broker and the first bash start meanwhile."""
        super().start()
        # For Ctrl-C in a terminal and for clients that ignore the kernelspec's interrupt_mode. By the loop: a plain
        # handler would wait for the main thread to wake when another thread has taken the signal.
        engine = self.sessions.engine
        engine.loop.add_signal_handler(signal.SIGINT, self._interrupt)
        engine.post(self._cells.start)
        engine.post_task(show_activity(self.sessions, self), name="vibesbox-activity")
        self._version = asyncio.run_coroutine_threadsafe(self._help.bash_version(), engine.loop)

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End every session and let the broker go; what is not gone in time the broker ends without us."""
        self.sessions.engine.post(self._runner.foreground.leave)
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self.sessions.engine.run(self._close())
        except TimeoutError:
            logger.warning("sessions outlive the kernel's shutdown; the broker goes on to end them")
        except Exception:
            logger.exception("closing the sessions failed; the broker ends them")
        self._history.close()
        return {"status": "ok", "restart": restart}

    async def _close(self) -> None:
        try:
            await self._help.aclose()
            await self._runner.aclose()
        finally:
            await self.sessions.aclose()

    def pre_handler_hook(self) -> None:
        """Leave SIGINT alone: ipykernel's own handler would let an interrupt end the kernel."""

    def post_handler_hook(self) -> None:
        """Leave SIGINT alone."""

    async def interrupt_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Interrupt what runs; comes by the control channel, so also while a cell runs."""
        self._interrupt()
        if self.session is not None:
            self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)

    def _interrupt(self) -> None:
        self.sessions.engine.post(self._cells.interrupt)

    # Running

    def set_parent(self, ident: Any, parent: dict[str, Any], channel: str = "shell") -> None:
        """Have an interrupt meet a cell as soon as a front-end can know of it: "busy" is said right after this."""
        super().set_parent(ident, parent, channel)
        if parent and parent["header"]["msg_type"] == "execute_request":
            self.sessions.engine.post(self._cells.expect, _request_id(parent))

    async def execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Run a cell; whatever becomes of it, it is expected no more."""
        try:
            await super().execute_request(stream, ident, parent)
        finally:
            self.sessions.engine.post(self._cells.forget, _request_id(parent))

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Any = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Run a cell; its output goes to the request that asked, whatever else is asked meanwhile."""
        parent, count = self.get_parent("shell"), self.execution_count
        front_end = self._stdin.of(parent, self._parent_ident["shell"], allowed=allow_stdin)
        if store_history and not silent and self.settings.now.history_enabled:
            self._history.add(count, code)
        offer = self._magics.offer_terminal if allow_stdin else None  # where nobody answers, nobody presses a button
        output = CellOutput(self, parent, silent=silent, respondent=front_end, offer=offer)
        run = self._cells.execute(_request_id(parent), code, label=f"In[{count}]", output=output)
        try:
            report = await self.sessions.engine.run(run)
        except VibesboxError as error:  # there is no engine any more
            report = Report(failure_of_error(error))
        finally:
            self._help.refresh_soon()
            if not (silent or store_history) and self.execution_count == count:  # nobody has counted on elsewhere
                self.execution_count = count - 1  # the base class counts what is not to be remembered, too
        if report.failure is not None:
            output.error(report.failure)
        output.replied()
        return _execute_reply(report, count, output.payload)

    def finish_metadata(
        self, parent: dict[str, Any], metadata: dict[str, Any], reply_content: dict[str, Any]
    ) -> dict[str, Any]:
        """Move the facts about a cell's session from the reply's content into its metadata."""
        metadata.update(reply_content.pop(FACTS, {}))
        metadata["status"] = reply_content["status"]
        return metadata

    # Answering

    @property
    def language_info(self) -> dict[str, Any]:  # type: ignore[override]
        """What front-ends need to know to show bash."""
        return {
            "name": "bash",
            "version": self._known_version().partition("(")[0],
            "mimetype": "text/x-sh",
            "file_extension": ".sh",
            "codemirror_mode": "shell",
            "pygments_lexer": "bash",
        }

    @property
    def banner(self) -> str:  # type: ignore[override]
        """What consoles say first."""
        return (
            f"Vibesbox {__version__}, GNU bash {self._known_version()}\n"
            "Each cell runs as a managed session. %ps lists them, %kill ends one, %vibesbox lists the magics.\n"
        )

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What this kernel is and can; never a debugger, even where Python's is installed."""
        return {
            "protocol_version": kernel_protocol_version,
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": self.help_links,
            "supported_features": ["kernel subshells"] if self.shell_channel_thread is not None else [],
        }

    async def kernel_info_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Say what this kernel is, with bash's version as bash itself says it."""
        if self._version is not None:
            await asyncio.wait([asyncio.wrap_future(self._version)], timeout=VERSION_SECONDS)
        await super().kernel_info_request(stream, ident, parent)

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """What fits at the cursor."""
        found = await self._help.complete(code, cursor_pos)
        return complete_reply(found)

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Whether Enter should run the code or begin another line."""
        return is_complete_reply(await self._help.is_complete(code))

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """What is known of the word at the cursor."""
        return inspect_reply(await self._help.inspect(code, cursor_pos, detailed=detail_level > 0))

    async def do_history(
        self,
        hist_access_type: str,
        output: bool,
        raw: bool,
        session: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        n: int | None = None,
        pattern: str | None = None,
        unique: bool = False,
    ) -> dict[str, Any]:
        """What was run, here and in earlier kernels; a cell has one form only, so raw or not is all the same."""
        request = Request(hist_access_type, output, session or 0, start or 0, stop, n, pattern, unique)
        return {"status": "ok", "history": await self._history.find(request)}

    # Inside

    def _broker_id(self) -> str | None:
        """The broker's id: the same again when this kernel is restarted with its connection file."""
        stem = Path(str(getattr(self.parent, "connection_file", ""))).stem
        return re.sub(r"[^A-Za-z0-9._-]|^[^A-Za-z0-9]", "-", stem)[:100].lstrip("-") or None

    def _directory(self) -> str:
        """Where the shell is now."""
        try:
            return self._runner.generation.state.cwd
        except ShellStateError:  # it has not started yet
            return str(Path.cwd())

    def _known_version(self) -> str:
        done = self._version is not None and self._version.done() and not self._version.cancelled()
        return str(self._version.result()) if done and self._version is not None else ""


def _execute_reply(report: Report, count: int, payload: list[dict[str, Any]]) -> dict[str, Any]:
    reply: dict[str, Any] = {"execution_count": count, FACTS: dict(report.facts)}
    if report.failure is None:
        return {**reply, "status": "ok", "payload": payload, "user_expressions": {}}
    return {**reply, "status": "error", **report.failure.content()}


def _request_id(parent: dict[str, Any]) -> str:
    return str(parent.get("header", {}).get("msg_id", ""))
