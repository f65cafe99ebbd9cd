"""Sessions of other programs from IPython: as in the kernel, by ``#!`` or ``--shell``."""

from __future__ import annotations

import shutil

import pytest

from vibesbox_kernel.errors import SessionFailedError


def test_a_script_may_name_its_own_interpreter(shell):
    """Ours: the body of %%session is the script."""
    shell.ok("%session cd /usr; export e=1")
    assert shell.ok("%%session\n#!/usr/bin/env python3\nimport os; print(os.getcwd(), os.environ['e'])") == "/usr 1\n"
    error = shell.fails("%%session\n#!/usr/bin/env python3\n\nraise SystemError")
    assert isinstance(error, SessionFailedError)
    assert '.py", line 4, in <module>' in shell.out


def test_a_missing_interpreter_is_told_in_one_line(shell):
    assert "/no/such/thing of this cell can not be run: no such file" in str(
        shell.fails("%%session\n#!/no/such/thing\n")
    )
    assert (shell.out, len(shell.err.splitlines())) == ("", 1)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_carries_its_state(shell):
    shell.ok("%session --shell zsh x=4")
    assert shell.ok("%session --shell zsh print $x") == "4\n"
