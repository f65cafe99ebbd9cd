"""What JupyterLab makes of a cell's output: streams, rich output, and lines that are rewritten."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.pictures import png

STEP = r"printf '\033[2A\033[2K\rfirst: %s\n\033[2K\rsecond: %s\n' $n $n"


def test_pictures_and_tables_stand_where_they_were_shown(lab: Lab, tmp_path: Path):
    (tmp_path / "plot.png").write_bytes(png())
    (tmp_path / "table.csv").write_text("name,score\nada,1\nbob,2\n")
    show = f"cd {tmp_path}; echo before; vibesbox-show plot.png; echo between; vibesbox-show table.csv; echo after"
    notebook = lab.open("vibesbox", [show])
    notebook.run(0)
    output = notebook.output(0)
    expect(output.locator("img")).to_have_js_property("naturalWidth", 40)
    expect(output.get_by_role("table")).to_contain_text("ada")
    text = notebook.text(0)
    assert text.index("before") < text.index("between") < text.index("bob") < text.index("after")


def test_a_display_is_replaced_in_place_by_its_id(lab: Lab):
    show = "echo '<b>one</b>' | vibesbox-show -t html -i x; echo text; echo '<b>two</b>' | vibesbox-show -t html -i x"
    notebook = lab.open("vibesbox", [show])
    assert notebook.run(0).split() == ["two", "text"]


def test_rewritten_lines_look_as_in_a_terminal(lab: Lab):
    """Jupyter: JupyterLab performs no cursor moves; each frame would pile up."""
    code = (
        f"echo before; printf 'first: 0\\nsecond: 0\\n'; sleep 0.4; for n in 1 2 3; do {STEP}; sleep 0.3; done; seq 2"
    )
    notebook = lab.open("vibesbox", [code])
    assert notebook.run(0).split("\n") == ["before", "first: 3", "second: 3", "1", "2"]


def test_stderr_has_its_own_colour_with_two_terminals(lab: Lab):
    notebook = lab.open("vibesbox", ["%%session --io split\necho fine; sleep 0.1; echo trouble >&2"])
    notebook.run(0)
    stderr = notebook.output(0).locator("[data-mime-type='application/vnd.jupyter.stderr']")
    expect(stderr).to_have_text("trouble")


def test_what_a_full_screen_program_draws_is_not_poured_into_the_cell(lab: Lab):
    notebook = lab.open(
        "vibesbox", [r"printf '\033[?1049h\033[H'; seq 50; sleep 0.5; printf '\033[?1049l'; echo after"]
    )
    text = notebook.run(0)
    assert "draws on the whole screen" in text
    assert "49" not in text.split("]")[1]
    assert text.rstrip().endswith("after")
