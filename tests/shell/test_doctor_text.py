"""The doctor's words: what holds in one line each, what does not with what it means and what helps."""

from __future__ import annotations

import json

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibesbox_kernel import __main__ as command_line
from vibesbox_kernel.sessions import SessionManager, doctor
from vibesbox_kernel.sessions.doctor import Diagnosis, Finding, Standing
from vibesbox_kernel.shell.doctor_text import describe
from vibesbox_kernel.shell.magics import parse_magic
from vibesbox_kernel.shell.verbs import carry_out

HOLDS = Finding(id="a", promise="Commands get a terminal", ok=Standing.YES, found="a shell got one")
WEAK = Finding(
    id="b", promise="Limits are exact", ok=Standing.WEAKER, found="by sampling", means="It may grow.", advice="Ask."
)
GONE = Finding(id="c", promise="Cells can run", ok=Standing.NO, found="no bash", means="They can not.")


def test_what_holds_comes_first_then_what_is_weaker_then_what_can_not_be_kept():
    text = describe(Diagnosis(findings=(GONE, WEAK, HOLDS)))
    assert text == (
        "yes     Commands get a terminal  a shell got one\n"
        "\n"
        "weaker  Limits are exact\n"
        "        found:  by sampling\n"
        "        means:  It may grow.\n"
        "        to do:  Ask.\n"
        "\n"
        "no      Cells can run\n"
        "        found:  no bash\n"
        "        means:  They can not.\n"
        "\n"
        "1 promise holds on this machine; 1 is weaker and 1 can not be kept, see above.\n"
    )


def test_where_all_is_well_it_says_so():
    assert describe(Diagnosis(findings=(HOLDS, HOLDS))).endswith("\n\nAll 2 promises hold on this machine.\n")


WORDS = st.lists(st.text("abcäß-/()", min_size=1, max_size=12), min_size=1, max_size=40).map(" ".join)
FINDINGS = st.builds(
    Finding, id=st.just("x"), promise=WORDS, ok=st.sampled_from(Standing), found=WORDS, means=WORDS, advice=WORDS
)


@given(st.lists(FINDINGS, max_size=5), st.integers(40, 200))
def test_no_line_is_wider_than_there_is_room(findings: list[Finding], width: int):
    text = describe(Diagnosis(findings=tuple(findings)), width=width)
    assert max(map(len, text.splitlines())) <= min(width, 100)


@pytest.mark.anyio
async def test_the_magic_tells_it_of_this_machine(manager: SessionManager):
    with anyio.fail_after(20):
        result = await carry_out(manager, parse_magic("%vibesbox doctor"), width=100)
    assert not result.failed
    assert "A signal hits only what is meant" in result.text
    assert "The broker of this program answers" in result.text
    assert max(map(len, result.text.splitlines())) <= 100
    assert isinstance(result.data, dict)


def test_the_command_line_tells_it_too(capsys: pytest.CaptureFixture[str]):
    assert command_line.main(["doctor"]) == 0
    assert "Commands get a real terminal" in capsys.readouterr().out


def test_the_command_line_gives_json(capsys: pytest.CaptureFixture[str]):
    assert command_line.main(["doctor", "--json"]) == 0
    found = Diagnosis.model_validate(json.loads(capsys.readouterr().out))
    assert {"daemons", "signals"} <= {finding.id for finding in found.findings}


@pytest.mark.parametrize(("finding", "status"), [(HOLDS, 0), (WEAK, 0), (GONE, 1)])
def test_the_exit_status_is_1_only_where_a_promise_can_not_be_kept(monkeypatch, capsys, finding: Finding, status: int):
    async def told() -> Diagnosis:
        return Diagnosis(findings=(finding,))

    monkeypatch.setattr(doctor, "diagnose", told)
    assert command_line.main(["doctor"]) == status
    assert finding.promise in capsys.readouterr().out


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_its_help_explains_the_exit_status(option: str, capsys: pytest.CaptureFixture[str]):
    assert command_line.main(["doctor", option]) == 0
    assert "Exit status: 0 if" in capsys.readouterr().out


def test_an_option_that_it_does_not_have_is_named(capsys: pytest.CaptureFixture[str]):
    assert command_line.main(["doctor", "--fix"]) == 2
    assert "--fix" in capsys.readouterr().err
