"""Input boxes, as somebody sees them who runs cells in JupyterLab."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook

DEADLINE = 15_000


def box(notebook: Notebook, index: int) -> Locator:
    """The open input box of a cell; one that was answered stays for half a second, hidden."""
    return notebook.output(index).locator(".jp-OutputArea-stdin-item:not(.jp-OutputArea-stdin-hiding) .jp-Stdin")


def lines(notebook: Notebook, index: int) -> list[str]:
    """What a cell shows, without the blanks by which JupyterLab sets an answer apart."""
    expect(notebook.output(index).locator(".jp-Stdin")).to_have_count(0, timeout=DEADLINE)
    return [" ".join(one.split()) for one in notebook.text(index).splitlines() if one.strip()]


def test_questions_are_asked_in_boxes_and_answers_are_shown_once(lab: Lab):
    cells = [
        "read -p 'Name: ' name; read -s -p 'Password: ' word; echo; echo \"$name has ${#word} letters\"",
        "read -p 'Never: ' x",
        "cat",
        "python3 -c 'print(input(\"Python? \") * 2)'",
    ]
    notebook = lab.open("vibesbox", cells)
    notebook.start(0)
    expect(box(notebook, 0)).to_contain_text("Name:", timeout=DEADLINE)
    notebook.answer("Ada")
    expect(box(notebook, 0)).to_contain_text("Password:", timeout=DEADLINE)
    expect(box(notebook, 0).locator("input")).to_have_attribute("type", "password")
    lab.screenshot(Path("test-results/input-box.png"))
    notebook.answer("secret")
    notebook.wait_finished(0)
    assert lines(notebook, 0) == ["Name: Ada", "Password: ········", "Ada has 6 letters"]

    notebook.start(1)
    expect(box(notebook, 1)).to_contain_text("Never:", timeout=DEADLINE)
    notebook.interrupt()
    notebook.wait_finished(1)
    assert "Interrupted" in notebook.text(1)

    notebook.start(2)
    box(notebook, 2).wait_for()
    notebook.answer("a line")
    box(notebook, 2).wait_for()
    notebook.answer("^D")
    notebook.wait_finished(2)
    assert lines(notebook, 2)[1:] == ["a line", "a line", "^D"]  # the answer, and what cat makes of it

    notebook.start(3)
    expect(box(notebook, 3)).to_contain_text("Python?", timeout=DEADLINE)
    notebook.answer("ha")
    notebook.wait_finished(3)
    assert lines(notebook, 3) == ["Python? ha", "haha"]
    lab.screenshot(Path("test-results/input-answers.png"))
    assert lab.errors() == []


def test_a_python_notebook_asks_for_its_sessions_too(lab: Lab):
    cells = [
        "%load_ext vibesbox",
        "%%session\nread -p 'Name: ' name; read -s -p 'Word: ' word; echo\necho \"$name: ${#word}\"",
        "%session --bg --name keeper read -s -p 'Token: ' token; echo; echo ${#token}",
        "%send keeper --secret",
        "%wait keeper\n%tail keeper",
    ]
    notebook = lab.open("python3", cells)
    notebook.run(0)
    notebook.start(1)
    expect(box(notebook, 1)).to_contain_text("Name:", timeout=DEADLINE)
    notebook.answer("Ada")
    expect(box(notebook, 1)).to_contain_text("Word:", timeout=DEADLINE)
    notebook.answer("secret")
    notebook.wait_finished(1)
    assert lines(notebook, 1) == ["Name: Ada", "Word: ········", "Ada: 6"]
    notebook.run(2)
    notebook.start(3)
    expect(box(notebook, 3)).to_contain_text("Secret for keeper", timeout=DEADLINE)
    notebook.answer("1234")
    notebook.wait_finished(3)
    notebook.run(4)
    assert lines(notebook, 4)[-1] == "4"
    assert lab.errors() == []
