"""Variables whose values are asked for: the session has them, and nobody and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.driver import Driver
from tests.kernel.test_input import asked, run_with

SECRET = "hunter2 $x 'q\" *"
"""With what a shell could stumble over."""


Searched = Callable[[str], list[str]]
"""Gives every file of ours, and every command line of this user, in which a text is found."""


@pytest.fixture
def where_it_stands(isolation: Path) -> Searched:
    """Looks at the run and state directories of all kernels of this run; not at what a cell itself has shown."""

    def search(secret: str) -> list[str]:
        walked = os.walk(isolation.parent)  # which takes directories that go meanwhile as they come
        files = [Path(folder, name) for folder, _, names in walked for name in names if not name.startswith("out.")]
        commands = Path("/proc").glob("[0-9]*/cmdline")
        assert any(path.name == "meta.json" for path in files)
        return [str(path) for path in (*files, *commands) if secret.encode() in _read(path)]

    return search


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:  # it has gone
        return b""


@pytest.fixture
def gate(isolation: Path) -> Path:
    """A FIFO that a session waits at."""
    path = isolation / "gate"
    os.mkfifo(path)
    return path


def _open(gate: Path) -> None:
    with gate.open("w"):
        pass


def test_a_secret_is_asked_for_masked_and_only_the_session_has_it(new_kernel, gate, where_it_stands):
    """Ours: not in a file, a command line, a listing, the history or the next cell."""
    kernel = new_kernel()
    code = f"%%session --name job --secret-env TOKEN\nbash -c 'echo \"<$TOKEN>\"; read line <{gate} || :'"
    request = kernel.start(code)
    assert asked(kernel) == {"prompt": "Secret TOKEN: ", "password": True}
    kernel.client.input(SECRET)
    kernel.wait_text(request, f"<{SECRET}>")
    assert where_it_stands(SECRET) == []
    _open(gate)
    assert kernel.finish(request).status == "ok"
    assert kernel.run('echo "${TOKEN-unset}"').text == "unset\n"
    for magic in ("%ps --json", "%info job", "%vibesbox state"):
        assert SECRET not in str(kernel.run(magic).messages)
    assert where_it_stands(SECRET) == []


def test_a_secret_is_whole_whatever_ifs_is_and_nothing_is_said_of_that(new_kernel):
    """Bash: `read` takes off what is in IFS, which may be read-only."""
    kernel = new_kernel()
    kernel.run("readonly IFS='x '")
    request = kernel.start("%%session --secret-env TOKEN\nprintf '<%s>\\n' \"$TOKEN\"")
    asked(kernel)
    kernel.client.input(" y x")
    assert kernel.finish(request).text == "< y x>\n"


@pytest.mark.parametrize(
    "line",
    [
        "TOKEN=changed",
        "readonly TOKEN",
        'declare -a TOKEN=("$TOKEN" more)',
        "f() { local TOKEN=other; exit 0; }; f",
        "sleep 600 & disown",
        "trap 'test -n \"$TOKEN\"' EXIT",
        "exit 3",
    ],
)
def test_what_a_cell_hands_on_is_without_it_whatever_the_cell_made_of_it(
    kernel: Driver, where_it_stands: Searched, line: str
) -> None:
    """Ours: and a variable of the same name has its own value again."""
    kernel.run("export TOKEN=mine other=1")
    result, _ = run_with(kernel, f"%%session --secret-env TOKEN\n((${{#TOKEN}} == 9)) && other=2\n{line}", "kept-away")
    assert result.text == ""
    shown = kernel.run('echo "$TOKEN $other ${#TOKEN[@]}"; declare -p TOKEN')
    assert shown.text == 'mine 2 1\ndeclare -x TOKEN="mine"\n'
    assert where_it_stands("kept-away") == []
    kernel.run("%kill --all\nunset TOKEN other")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_cells_of_other_shells_and_programs_have_it_and_hand_it_on_to_nobody(
    kernel: Driver, where_it_stands: Searched, shell: str
) -> None:
    """Ours: as in bash."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    own = f"%%session --shell {shell} --secret-env TOKEN\n"
    setting = "set -gx TOKEN mine" if shell == "fish" else "export TOKEN=mine"
    shown = f'%%session --shell {shell}\necho "<$TOKEN>"'
    for before in ("", "mine"):
        result, _ = run_with(kernel, f"{own}sh -c 'echo \"<$TOKEN>\"'", "kept-away")
        assert result.text == "<kept-away>\n"
        assert kernel.run(shown).text == f"<{before}>\n"
        kernel.run(f"%%session --shell {shell}\n{setting}")
    assert where_it_stands("kept-away") == []


def test_a_program_has_it(kernel: Driver) -> None:
    """Ours: in its environment."""
    script = "#!/usr/bin/env python3\nimport os\nprint(os.environ['A'] + os.environ['B'])"
    code = f"%%session --secret-env A --secret-env B\n{script}"
    result, questions = run_with(kernel, code, "one ", "")
    assert [one["prompt"] for one in questions] == ["Secret A: ", "Secret B: "]
    assert result.text == "one \n"


def test_run_again_it_is_asked_for_again(kernel: Driver) -> None:
    """Ours: nobody has kept it."""
    run_with(kernel, "%%session --name again --secret-env TOKEN\necho ${#TOKEN}", "four")
    result, questions = run_with(kernel, "%rerun again", "sixsix")
    assert [one["prompt"] for one in questions] == ["Secret TOKEN: "]
    assert result.text.endswith("\n6\n")


def test_what_waits_in_a_queue_lets_nobody_see_it(new_kernel, gate, where_it_stands):
    """Ours: as long as its turn has not come, it is in no file either."""
    kernel = new_kernel()
    kernel.run(f"%session --bg --name first read line <{gate} || :")
    request = kernel.start("%%session --bg --name second --after first --secret-env TOKEN\necho ${#TOKEN}")
    asked(kernel)
    kernel.client.input("kept-away")
    assert kernel.finish(request).status == "ok"
    assert where_it_stands("kept-away") == []
    _open(gate)
    kernel.run("%wait second", timeout=30)
    assert kernel.run("%tail second").text == "9\n"


def test_without_an_answer_nothing_is_run(kernel: Driver, isolation: Path) -> None:
    """Ours: and the error says why."""
    mark = isolation / "ran"
    code = f"%%session --secret-env TOKEN\ntouch {mark}"
    said = kernel.run(code, allow_stdin=False)
    assert said.status == "error"
    assert "takes no input" in said.content["evalue"]
    result, _ = run_with(kernel, code, "x" * 4000)
    assert "3072 bytes" in result.content["evalue"]
    assert "x" * 100 not in str(result.messages)
    for line, why in (
        ("--secret-env T=secret", "give the name T alone"),
        ("--secret-env 2", "is not a name"),
        ("--env T=1 --secret-env T", "--secret-env asks for one"),
    ):
        refused = kernel.run(f"%%session {line}\ntouch {mark}").content["evalue"]
        assert why in refused
        assert "secret'" not in refused
    assert not mark.exists()
