"""Cells that other programs run, by ``#!`` or ``--shell``: with the shell's surroundings, its state untouched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.shell.notebook import Notebook
from vibesbox_kernel.errors import InterpreterNotFoundError, ShellNotFoundError
from vibesbox_kernel.models import EndReason, ExitStatus
from vibesbox_kernel.sessions import SessionManager
from vibesbox_kernel.shell.program import Program, SearchPath, named_by_shebang

pytestmark = pytest.mark.anyio

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")


async def test_a_python_cell_gets_the_shells_environment_directory_umask_and_limits(notebook: Notebook) -> None:
    await notebook.run("export e='a b'; n=private; cd /usr; umask 027; ulimit -Sn 99")
    written = await notebook.output(
        "#!/usr/bin/env python3\nimport os, resource as r\n"
        "print(os.environ['e'], 'n' in os.environ, os.getcwd(), oct(os.umask(0)), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    assert written == "a b False /usr 0o27 99\n"


async def test_a_program_is_the_session_itself_on_its_terminal(notebook: Notebook, manager: SessionManager) -> None:
    outcome = await notebook.run(
        "#!/usr/bin/env python3\nimport os, sys\n"
        "print(os.getpid(), os.getsid(0), os.getpgrp(), os.isatty(0), os.environ['VIBESBOX_SESSION'])\nsys.exit(4)"
    )
    pid, session, group, tty, marker = notebook.shown.written.split()
    assert pid == session == group == str(outcome.pid)
    assert (tty, marker) == ("True", outcome.session_id)
    assert (outcome.exit_status, outcome.end_reason, outcome.notices) == (ExitStatus(code=4), EndReason.EXITED, ())
    assert manager.info(outcome.session_id).command.startswith("#!/usr/bin/env python3\n")


async def test_the_state_of_the_shell_is_as_before_a_program(notebook: Notebook) -> None:
    await notebook.run("x=1; cd /usr; false")
    outcome = await notebook.run("#!/bin/bash\nx=2; cd /; exit 3")
    assert outcome.notices == ()
    assert await notebook.output("echo $? $x; pwd") == "3 1\n/usr\n"


async def test_a_traceback_names_the_cell_and_its_line(notebook: Notebook) -> None:
    written = await notebook.output("#!/usr/bin/env python3\n\nprint(1)\nraise SystemError('no')")
    assert written.startswith("1\nTraceback")
    assert '/In[1].py", line 4, in <module>' in written


async def test_lines_are_those_of_the_cell_below_magic_lines_too(notebook: Notebook) -> None:
    written = await notebook.output("%%session --name p\n\n#!/usr/bin/env python3\nraise SystemError('no')")
    assert '/In[1].py", line 4, in <module>' in written


@needs_node
@pytest.mark.parametrize("head", ["", "%%session --name n\n"])
async def test_node_reads_a_cell_whose_first_line_is_not_its_files(notebook: Notebook, head: str) -> None:
    written = await notebook.output(f"{head}#!/usr/bin/env node\nconsole.log('js'); throw new Error('no')")
    assert written.startswith("js\n")
    assert f"In[1].js:{2 + head.count(chr(10))}\n" in written


@needs_perl
async def test_the_argument_of_the_first_line_is_the_programs(notebook: Notebook) -> None:
    """POSIX: everything behind the interpreter is one argument."""
    assert await notebook.output("#!/usr/bin/env -S perl -l\nprint 'a'; print __LINE__") == "a\n2\n"
    written = await notebook.output("#!/usr/bin/perl -w\nmy $x; print 1 + $x, qq(\\n)")
    assert "uninitialized" in written
    assert "In[2].pl line 2." in written


async def test_awk_takes_the_cell_as_its_program(notebook: Notebook) -> None:
    assert await notebook.output("#!/usr/bin/awk -f\nBEGIN { print 6 * 7 }") == "42\n"


async def test_what_would_run_before_a_program_does_not(notebook: Notebook) -> None:
    """Ours: traps and options of the state are the shell's, but what is ignored stays so, as after any exec."""
    await notebook.run("set -x; trap 'echo debug' DEBUG; trap '' USR1; set -o noclobber; exec() { echo mine; }")
    written = await notebook.output(
        "#!/usr/bin/env python3\nimport signal\nprint(signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN)"
    )
    assert written == "True\n"


@pytest.mark.parametrize(
    ("shebang", "why"),
    [
        ("#!/no/such/interpreter", "the interpreter /no/such/interpreter of this cell can not be run: no such file"),
        ("#!/usr/local/python3x", "did you mean "),
        ("#!/etc/passwd", "it can not be executed"),
        ("#!python3", "did you mean /usr/bin/env python3?"),
        ("#!", "there is no path behind #!"),
        ("#!/usr/bin/env pythno3", "did you mean python3?"),
        ("#!/usr/bin/env python3 -u", "did you mean /usr/bin/env -S python3 -u?"),
        ("#!/usr/bin/env python3\r", "carriage return"),
    ],
)
async def test_a_missing_interpreter_is_an_error_before_anything_runs(
    notebook: Notebook, manager: SessionManager, shebang: str, why: str
) -> None:
    with pytest.raises(InterpreterNotFoundError) as caught:
        await notebook.run(f"{shebang}\nprint(1)")
    assert why in str(caught.value)
    assert manager.list_sessions() == []


async def test_a_program_is_looked_for_where_the_shell_looks(notebook: Notebook) -> None:
    """Ours: an environment that a cell has activated is that of the next one's ``env python3``."""
    await notebook.run(
        "mkdir -p venv/bin; printf '#!/bin/sh\\necho mine $1' >venv/bin/python3; chmod +x venv/bin/python3"
    )
    await notebook.run("PATH=$PWD/venv/bin:$PATH")
    assert (await notebook.output("#!/usr/bin/env python3\n")).startswith("mine /")
    assert (await notebook.output("%%session --shell python3\n1")).startswith("mine /")
    assert (await notebook.output("%%session --shell venv/bin/python3\n1")).startswith("mine /")


@pytest.mark.parametrize("kind", ["#!/bin/sh", "#!/usr/bin/env bash", "%%session --shell sh"])
async def test_options_of_a_cell_hold_for_programs_too(notebook: Notebook, manager: SessionManager, kind: str) -> None:
    options = "--cwd /usr --env k='a b' --nice 7 --mem 1G --timeout 1m --cpu 9"
    script = "pwd; echo $k; nice; ulimit -t"
    cell = f"{kind} {options}\n{script}" if kind.startswith("%") else f"%%session {options}\n{kind}\n{script}"
    outcome = await notebook.run(cell)
    assert notebook.shown.written == "/usr\na b\n7\n9\n"
    policy = manager.info(outcome.session_id).policy
    assert (policy.nice, policy.max_memory_bytes, policy.timeout) == (7, 1 << 30, 60)
    assert await notebook.output("pwd; echo ${k-none}; nice") == f"{Path.home()}\nnone\n0\n"


async def test_a_time_limit_ends_a_program(notebook: Notebook) -> None:
    outcome = await notebook.run("%%session --timeout 0.3s\n#!/usr/bin/env python3\nimport time\ntime.sleep(60)")
    assert outcome.end_reason is EndReason.TIMED_OUT


async def test_a_memory_limit_ends_a_program(notebook: Notebook) -> None:
    script = "import time\nhoard = b'x' * 300_000_000\ntime.sleep(60)"
    outcome = await notebook.run(f"%%session --mem 100M\n#!/usr/bin/env python3\n{script}")
    assert outcome.end_reason is EndReason.MEMORY_LIMIT


async def test_a_program_may_be_a_mebibyte_long(notebook: Notebook) -> None:
    text = "x = 'abcdefghijklmnop'\n" * 50_000
    assert await notebook.output(f"%%session --shell python3\n{text}print(x)") == "abcdefghijklmnop\n"


async def test_of_a_shell_without_state_that_is_said_once(notebook: Notebook) -> None:
    first = await notebook.run("%%session --shell sh\nx=1")
    assert first.notices == (
        "sh cells hand nothing on: each starts from the state of the bash cells and leaves it as it is",
    )
    assert (await notebook.run("%%session --shell sh\necho ${x-none}")).notices == ()
    assert notebook.shown.written == "none\n"


async def test_the_path_of_our_own_bash_means_the_usual_shell(notebook: Notebook) -> None:
    await notebook.run(f"%%session --shell {shutil.which('bash')}\nx=1")
    assert await notebook.output("echo $x") == "1\n"


async def test_a_shell_that_is_misspelt_is_named_rightly(notebook: Notebook) -> None:
    with pytest.raises(ShellNotFoundError, match=r"the shell basj can not be run: .*; did you mean bash\?"):
        await notebook.run("%%session --shell basj\necho")


@pytest.mark.parametrize(
    ("line", "suffix"),
    [
        ("#!/usr/bin/python3.11", "py"),
        ("#! /usr/bin/env -S python3 -u", "py"),
        ("#!/usr/bin/env -S A=b python3", "py"),
        ("#!/usr/bin/env -iS -u FOO -C /tmp perl -w", "pl"),
        ("#!/usr/bin/env", "env"),
        ("#!/usr/bin/env -i", "env"),
        ("#!/bin/sh -e", "sh"),
        ("\n#!/bin/cat", "cat"),
    ],
)
def test_the_file_of_a_program_is_named_for_what_it_is(line: str, suffix: str, isolation: Path) -> None:
    everything = SearchPath("/usr/bin:/bin", str(isolation))
    everywhere = _Everything(everything.directories, everything.start)
    program = named_by_shebang(f"{line}\n1", everywhere)
    assert program is not None
    assert program.suffix == suffix


class _Everything(SearchPath):
    """Every program is installed."""

    def find(self, name: str) -> str | None:
        return name


def test_a_cell_without_a_first_line_of_that_kind_is_the_shells(isolation: Path) -> None:
    assert named_by_shebang("echo\n#!/bin/cat", SearchPath("/bin", str(isolation))) is None


def test_every_line_of_a_program_has_its_number_in_the_cell() -> None:
    assert Program(("/usr/bin/env", "python3"), "py").file_text("#!/x\ny", 3) == "\n\n#!/x\ny"
    assert Program(("/usr/bin/env", "node"), "js").file_text("\n#!/x\ny", 3) == "\n\n\n\ny"
    assert Program(("/usr/bin/env", "node"), "js").file_text("#!/x\ny", 1) == "#!/x\ny"
