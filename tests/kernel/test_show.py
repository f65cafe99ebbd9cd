"""``vibesbox-show`` in cells: what a front-end gets, and where among the cell's output."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from tests.kernel.driver import Driver, Result
from tests.pictures import png
from vibesbox_kernel.shell.tool_path import DIRECTORY

TOOL = Path(os.fsdecode(DIRECTORY), "vibesbox-show")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "plot.png").write_bytes(png())
    (tmp_path / "page.html").write_text("<b>bold</b>")
    (tmp_path / "table.csv").write_text("a,b\n1,x\n")
    return tmp_path


def shown(result: Result) -> list[str]:
    """Text, and the richest type of each display, in their order; text may come in several messages."""
    pieces = []
    for kind, messages in groupby(result.messages, key=lambda message: str(message["msg_type"])):
        if kind == "stream":
            pieces.append("".join(one["content"]["text"] for one in messages))
        elif kind in ("display_data", "update_display_data"):
            pieces += [next(iter(one["content"]["data"])) for one in messages]
    return pieces


@pytest.mark.parametrize("io", ["pty", "pipe", "split"])
def test_a_picture_stands_where_it_was_shown(kernel: Driver, files: Path, io: str) -> None:
    """Ours: after all that was written before it, and before all that comes later."""
    code = f"%%session --io {io}\ncd {files}\nseq 3\nvibesbox-show plot.png\nseq 4 5\nvibesbox-show page.html; echo end"
    result = kernel.run(code)
    assert shown(result) == ["1\n2\n3\n", "image/png", "4\n5\n", "text/html", "end\n"]
    assert base64.b64decode(result.of_kind("display_data")[0]["data"]["image/png"]) == png()


def test_it_shows_what_a_pipe_brings_though_its_own_output_goes_elsewhere(kernel: Driver, files: Path) -> None:
    result = kernel.run(
        f"cat {files}/plot.png | setsid vibesbox-show >/dev/null 2>&1; echo '# x' | vibesbox-show -t md"
    )
    assert shown(result) == ["image/png", "text/markdown"]


def test_it_shows_from_a_cell_whose_output_is_turned_off(kernel: Driver, files: Path) -> None:
    assert shown(kernel.run(f"exec >/dev/null 2>&1 </dev/null; vibesbox-show {files}/table.csv")) == ["text/html"]


def test_an_id_is_replaced_in_place_within_its_cell(kernel: Driver, files: Path) -> None:
    """Jupyter: `update_display_data` replaces what has its display id, wherever it stands."""
    code = f"cd {files}; vibesbox-show -i p plot.png; echo mid; vibesbox-show -i p page.html"
    first, second = kernel.run(code), kernel.run(code)
    for result in (first, second):
        assert [kind for kind in result.kinds if "display" in kind] == ["display_data", "update_display_data"]
    ids = [one["transient"]["display_id"] for result in (first, second) for one in result.of_kind("display_data")]
    assert len(set(ids)) == 2


def test_a_background_session_shows_in_its_own_cell(kernel: Driver, files: Path) -> None:
    gate = files / "gate"
    os.mkfifo(gate)
    request = kernel.start(f"%%session --bg --durable\nread go <{gate}; vibesbox-show {files}/plot.png; echo behind")
    kernel.reply(request)
    kernel.run(f"echo go >{gate}")
    kernel.wait_text(request, "behind")
    assert shown(Result(messages=kernel.seen(request)))[-2:] == ["image/png", "behind\n"]


def test_a_job_that_its_cell_has_left_running_shows_in_that_cell(kernel: Driver, files: Path) -> None:
    gate = files / "gate"
    os.mkfifo(gate)
    request = kernel.start(f"(read go <{gate}; vibesbox-show {files}/plot.png; echo behind) &")
    kernel.reply(request)
    kernel.run(f"echo go >{gate}")
    kernel.wait_text(request, "behind")
    assert "image/png" in shown(Result(messages=kernel.seen(request)))


def test_what_can_not_be_shown_is_said_on_stderr_with_a_status(kernel: Driver, files: Path) -> None:
    (files / "noise").write_bytes(b"\x7fELF\0")
    result = kernel.run(
        f"cd {files}; vibesbox-show none.png; echo $?; vibesbox-show noise; echo $?; vibesbox-show -t tiff x; echo $?"
    )
    text = result.text
    assert "vibesbox-show: none.png: No such file or directory\n1\n" in text
    assert "vibesbox-show: noise: it is neither text nor a picture" in text
    assert text.endswith("\n2\n")


def test_nothing_of_it_is_left_in_the_users_path_or_environment(kernel: Driver) -> None:
    kernel.run("before=$PATH; PATH=/opt/own:$PATH; export PATH; x=$(command -v vibesbox-show)")
    assert kernel.run("echo $x").text.strip() == str(TOOL)
    text = kernel.run('echo "$PATH"; declare -p | grep -c VIBESBOX_DISPLAY').text
    path = text.splitlines()[0].split(":")
    assert path[0] == "/opt/own"
    assert path.count(str(TOOL.parent)) == 1
    assert kernel.run("unset PATH; x=1; [[ ! ${PATH+set} ]]").status == "ok"
    assert kernel.run("[[ ! ${PATH+set} ]]; r=$?; PATH=/usr/bin:/bin; exit $r").status == "ok"
    assert kernel.run("echo $PATH").text == f"/usr/bin:/bin:{TOOL.parent}\n"


def test_a_loop_of_pictures_comes_at_a_pace_that_a_page_bears(kernel: Driver, files: Path) -> None:
    """Ours: five at once, and then each waits for its turn; none is lost."""
    result = kernel.run(f"for n in 1 2 3 4 5 6 7; do vibesbox-show {files}/plot.png; done", timeout=20)
    assert shown(result) == ["image/png"] * 7


def test_a_silent_cell_shows_nothing(kernel: Driver, files: Path) -> None:
    """Jupyter: a silent request publishes nothing but its state."""
    assert shown(kernel.run(f"vibesbox-show {files}/plot.png", silent=True)) == []


def test_a_durable_session_whose_kernel_was_restarted_is_told_so(new_kernel: Callable[[], Driver], files: Path) -> None:
    driver = new_kernel()
    gate, said = files / "gate", files / "said"
    os.mkfifo(gate)
    os.mkfifo(said)
    code = f"%%session --bg --durable\nread go <{gate}; vibesbox-show {files}/plot.png 2>{said}"
    assert driver.run(code).status == "ok"
    driver.restart()
    with gate.open("w") as writer:
        writer.write("go\n")
    assert "is gone, or was restarted" in said.read_text()
    driver.run("%kill --all", timeout=20)


def test_outside_a_notebook_it_says_so() -> None:
    ran = subprocess.run([TOOL, __file__], env={"VIBESBOX_PYTHON": sys.executable}, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "there is no notebook to show it in" in ran.stderr
