"""``%vibesbox state`` in cells of the kernel."""

from __future__ import annotations

from tests.kernel.driver import Driver


def test_the_state_is_shown_by_name_and_never_by_value(kernel: Driver) -> None:
    """Ours: what is carried may be a secret; that it is carried is none."""
    kernel.run("%vibesbox state reset")
    kernel.run("token_for_tests=hunter2; carried() { echo hunter3; }; alias shorter='echo hunter4'; cd /usr")
    (shown,) = kernel.run("%vibesbox state").of_kind("display_data")
    text, html = shown["data"]["text/plain"], shown["data"]["text/html"]
    for part in ("new: token_for_tests", "new: carried", "new: shorter", "/usr"):
        assert part in text
        assert part in html
    assert "hunter" not in text + html


def test_dollars_are_shown_as_they_are(kernel: Driver) -> None:
    """Jupyter: JupyterLab takes what stands between two dollars for TeX, but not in code."""
    kernel.run("set -- a b")
    (shown,) = kernel.run("%vibesbox state").of_kind("display_data")
    assert "<code>$1 to $2</code>" in shown["data"]["text/html"]


def test_what_cells_have_left_running_is_listed(kernel: Driver) -> None:
    kernel.run("%%session --name leaver\nsleep 100 &")
    (shown,) = kernel.run("%vibesbox state").of_kind("display_data")
    assert "background jobs" in shown["data"]["text/plain"]
    assert "leaver" in shown["data"]["text/plain"]
    kernel.run("%kill leaver")


def test_going_back_undoes_what_cells_have_changed(kernel: Driver) -> None:
    kernel.run("step=1")
    kernel.run("step=2; cd /")
    kernel.run("step=3")
    said = kernel.run("%vibesbox state back 2\necho $step")
    assert said.text.startswith("the next cell starts from state ")
    assert said.text.endswith("\n1\n")


def test_a_reset_can_be_taken_back(kernel: Driver) -> None:
    kernel.run("undone=no")
    kernel.run("%vibesbox state reset")
    assert kernel.run("%vibesbox state back\necho $undone").text.endswith("\nno\n")


def test_going_back_too_far_changes_nothing_and_says_how_far_one_can(kernel: Driver) -> None:
    kernel.run("%vibesbox state reset")
    result = kernel.run("%vibesbox state back 999\necho ran")
    assert (result.status, result.content["ename"]) == ("error", "MagicError")
    assert "can not go back 999 cells" in result.content["evalue"]
    assert "ran" not in result.text


def test_its_words_are_completed(kernel: Driver) -> None:
    assert kernel.ask(kernel.client.complete("%vibesbox state b"))["matches"] == ["back"]
