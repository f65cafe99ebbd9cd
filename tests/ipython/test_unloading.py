"""What ``%unload_ext`` leaves of the extension: nothing. And what ``%reload_ext`` makes of it: one."""

from __future__ import annotations

import atexit
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.ipython.conftest import Shell
from tests.kernel.driver import Driver, is_alive, wait_gone
from vibesbox_kernel.sessions import SessionManager, scripts

SECONDS = 20.0

# What a kernel has that an extension could leave something in; says it in a line.
_LOOK = """
def look():
    import threading, comm
    from ipywidgets.widgets.widget import _instances
    ip = get_ipython()
    manager = comm.get_comm_manager()
    magics = {kind: sorted(known) for kind, known in ip.magics_manager.magics.items()}
    hooks = (ip.ast_transformers, ip.Completer.custom_matchers, ip.configurables, ip.input_transformers_cleanup)
    return (magics, [len(one) for one in hooks], sorted(manager.targets), len(manager.comms), len(_instances),
            sorted(one.name for one in threading.enumerate() if "vibesbox" in one.name))
"""


def _hooks(shell: Shell) -> tuple[Any, ...]:
    """Everything of an IPython shell, and of this process, that an extension could leave something in."""
    ip = shell.ip
    return (
        {kind: dict(known) for kind, known in ip.magics_manager.magics.items()},
        list(ip.ast_transformers),
        list(ip.Completer.custom_matchers),
        list(ip.configurables),
        list(ip.input_transformers_cleanup),
        list(ip.input_transformers_post),
        {name: list(functions) for name, functions in ip.events.callbacks.items()},
        dict(ip.custom_exceptions and {"custom": ip.custom_exceptions}),
        list(scripts._shared),
    )


class ExitFunctions(list[Callable[..., object]]):
    """What is registered to be called at the end of Python while this list is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        register, unregister = atexit.register, atexit.unregister

        def note(function: Callable[..., object], *arguments: object) -> Callable[..., object]:
            self.append(function)
            return register(function, *arguments)

        def forget(function: Callable[..., object]) -> None:
            self[:] = [one for one in self if one != function]
            unregister(function)

        monkeypatch.setattr(atexit, "register", note)
        monkeypatch.setattr(atexit, "unregister", forget)


def _wait_for_the_end_of(threads: set[threading.Thread]) -> None:
    for one in threads:
        one.join(SECONDS)
        assert not one.is_alive(), one.name


def test_nothing_is_left_in_the_shell_or_the_process(bare_shell, monkeypatch):
    """IPython: unload_ipython_extension undoes everything, also what sessions that ran and were kept have led to."""
    bare_shell.ok("%load_ext vibesbox")  # what libraries do when they are used for the first time is theirs
    bare_shell.ok("%unload_ext vibesbox")
    threads = set(threading.enumerate())  # those of tests before this one may still be on their way out
    before, at_exit = _hooks(bare_shell), ExitFunctions(monkeypatch)
    for _ in range(2):
        bare_shell.ok("%load_ext vibesbox")
        bare_shell.ok("import vibesbox\ns = %session --bg --name job sleep 600\nvibesbox.run('true')")
        pid = int(bare_shell.ok("print(s.pid)"))
        bare_shell.ok("%session echo shown")
        bare_shell.ok("%reload_ext vibesbox")
        wait_gone(pid)
        bare_shell.ok("%session echo again")
        bare_shell.ok("%unload_ext vibesbox")
        assert _hooks(bare_shell) == before
        _wait_for_the_end_of(set(threading.enumerate()) - threads)  # the guardian is waited for in one
        assert at_exit == []
    assert "<Session job" in bare_shell.ok("print(s)")  # a handle that was kept still says what it knew


def test_nothing_is_left_in_a_kernel(new_notebook):
    """Jupyter: no comm, no target of one, no widget, no thread; live views stay as they were."""
    notebook = new_notebook()
    notebook.run(_LOOK)
    notebook.run("%ps -w")
    notebook.run("%unload_ext vibesbox")
    before = notebook.run("print(look())").text
    for _ in range(2):
        notebook.run("%load_ext vibesbox")
        assert "vibesbox.control" in notebook.run("print(look())").text
        pid = _pid(notebook, "s = %session --bg sleep 600\nprint(s.pid)")
        shown = notebook.start("s")
        assert "running" in str(notebook.finish(shown).of_kind("display_data"))
        notebook.run("%ps -w")
        notebook.run("%reload_ext vibesbox", timeout=30)
        wait_gone(pid)
        notebook.run("%unload_ext vibesbox", timeout=30)
        deadline = time.monotonic() + SECONDS
        while (left := notebook.run("print(look())").text) != before:  # the guardian is waited for in a thread
            assert time.monotonic() < deadline, left
    assert notebook.run("s").status == "ok"


def test_two_notebooks_and_a_restart_never_touch_each_others_sessions(new_notebook):
    """Ours: the end of one kernel's sessions is nobody else's."""
    one, other = new_notebook(), new_notebook()
    pids = [_pid(each, "s = %session --bg --name job sleep 600\nprint(s.pid)") for each in (one, other)]
    assert one.run("%kill job").status == "ok"
    wait_gone(pids[0])
    assert is_alive(pids[1])
    again = _pid(one, "s = %session --bg --name job sleep 600\nprint(s.pid)")
    one.restart()
    wait_gone(again)
    assert one.run("%load_ext vibesbox", timeout=30).status == "ok"
    assert "job" not in one.run("%ps").text
    assert one.run("%kill --all").status == "ok"
    assert is_alive(pids[1])
    assert other.run("s.kill(force=True)").status == "ok"


def _pid(notebook: Driver, code: str) -> int:
    (pid,) = re.findall(r"^\d+$", notebook.run(code).text, re.MULTILINE)
    return int(pid)


def test_the_extension_is_the_default_of_scripts_only_while_it_is_loaded(shell):
    """Ours: ``vibesbox.run`` finds the manager of the shell that it runs in."""
    default = scripts.default_manager()
    assert isinstance(default, SessionManager)
    shell.ok("result = %session --name mine true")
    assert [info.name for info in default.list_sessions()] == ["mine"]
