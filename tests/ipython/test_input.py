"""Sessions that wait for input while IPython waits for them: at a terminal, and in a Python notebook."""

from __future__ import annotations

import pytest

from tests.ipython.conftest import Shell
from tests.ipython.terminal import Terminal
from tests.kernel.driver import SECONDS, Driver
from tests.kernel.test_input import asked

ASKS = "%session read -p 'Name: ' name; echo hello $name"


def test_at_a_terminal_a_question_is_asked_there(terminal: Terminal):
    """Ours: prompt and answer stand there once."""
    terminal.child.sendline(ASKS)
    terminal.child.expect("Name: ")
    terminal.child.sendline("Ada")
    assert terminal.result().strip() == "hello Ada"


def test_at_a_terminal_a_password_is_not_echoed(terminal: Terminal):
    """Python: getpass."""
    terminal.child.setecho(True)
    terminal.child.sendline("%session read -s -p 'Word: ' word; echo; echo ${#word} letters")
    assert terminal.child.waitnoecho(SECONDS)
    terminal.child.sendline("hidden")
    assert "hidden" not in (shown := terminal.result())
    assert "6 letters" in shown


def test_at_a_terminal_ctrl_c_interrupts_the_session_that_asks(terminal: Terminal):
    """Ours: and the prompt of IPython is there again."""
    terminal.child.sendline(ASKS)
    terminal.child.expect("Name: ")
    terminal.child.sendintr()
    assert "interrupted" in terminal.result()
    assert terminal.run("%session echo still here").strip() == "still here"


def test_at_a_terminal_a_question_that_nobody_needs_is_withdrawn(terminal: Terminal):
    """Ours: whoever sits there need not press Enter first."""
    shown = terminal.run("%session read -t 1 -p 'Quick: ' x; echo over")
    assert shown.rstrip().endswith("over")
    assert "KeyboardInterrupt" not in shown


def test_at_a_terminal_ctrl_d_ends_the_input(terminal: Terminal):
    """POSIX: end of file."""
    terminal.child.sendline("%session cat; echo over")
    terminal.child.expect("waits for input")
    terminal.child.sendeof()
    assert terminal.result().strip().endswith("over")


def test_in_a_notebook_the_front_end_shows_a_box(notebook: Driver):
    """Jupyter: input_request, as for Python's input()."""
    request = notebook.start(ASKS)
    assert asked(notebook) == {"prompt": "Name: ", "password": False}
    notebook.client.input("Ada")
    assert notebook.finish(request).text == "hello Ada\n"


def test_in_a_notebook_an_interrupt_ends_the_box(notebook: Driver):
    """Ours: the session is interrupted, and Python goes on."""
    request = notebook.start("%session read -s x")
    assert asked(notebook)["password"] is True
    notebook.manager.interrupt_kernel()
    assert notebook.finish(request).content["ename"] == "KeyboardInterrupt"
    assert notebook.run("1 + 1").status == "ok"


def test_in_a_notebook_without_input_the_session_gets_end_of_file(notebook: Driver):
    """Jupyter: allow_stdin."""
    result = notebook.run('%session read x; echo "[$x]"', allow_stdin=False, timeout=SECONDS)
    assert "allow_stdin" in result.text
    assert result.text.endswith("[]\n")


@pytest.mark.usefixtures("isolation")
def test_where_nothing_can_be_read_the_input_ends(shell: Shell):
    """Ours: a session never hangs for want of an answer."""
    assert shell.ok("%session cat; echo over").endswith("over\n")
