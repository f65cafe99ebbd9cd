"""The magics in an IPython shell: what they show, what they give to Python, and how they fail."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from tests.kernel.driver import is_alive, wait_gone
from tests.lifeline import BlockingLifeline
from vibesbox_kernel.errors import SessionFailedError, SessionTimeoutError
from vibesbox_kernel.shell.magics import MAGICS, help_text


def _one_line(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.strip()]
    return line


def test_every_magic_of_the_table_is_there_with_its_own_help(shell):
    """Ours: one table of magics for every front door."""
    for name in MAGICS:
        assert shell.ip.find_line_magic(name).__doc__ == help_text(name)
        assert shell.ok(f"%{name} -h") == help_text(name)
    assert shell.ip.find_cell_magic("session") is not None


def test_a_foreground_session_shows_its_output_and_no_value(shell):
    """Ours: what a user types for its output shows its output, nothing more."""
    assert shell.ok("%session echo one; echo two >&2") == "one\ntwo\n"
    assert shell.ok("%%session\necho three\necho four") == "three\nfour\n"


def test_dollars_and_braces_are_the_shells(shell):
    """Ours: a command is the shell's text; IPython expands nothing in it."""
    shell.ok("x = 'python'")
    assert shell.ok("%session x=shell; echo $x {x} ${x}") == "shell {x} shell\n"
    assert shell.ok("%%session --env y=$x\necho $y") == "$x\n"


def test_the_shells_state_carries_on_to_the_next_session(shell, isolation):
    """Ours: as in the kernel."""
    shell.ok(f"%%session\ncd {isolation}\nn=5\nf() {{ echo f $n; }}")
    assert shell.ok("%session f; pwd") == f"f 5\n{isolation}\n"
    assert isinstance(shell.fails("%session cd /; exit 3"), SessionFailedError)
    assert shell.ok("%session f; pwd") == "f 5\n/\n"


def test_the_shells_state_is_shown_and_taken_back(shell):
    """Ours: as in the kernel."""
    shell.ok("%session carried=1")
    assert "new: carried" in shell.ok("%vibesbox state")
    shell.ok("%vibesbox state back")
    assert shell.ok("%session echo ${carried-none}") == "none\n"
    assert "remembered" in str(shell.fails("%vibesbox state back 99"))


def test_a_session_that_fails_raises_and_is_told_in_one_line(shell):
    """Ours: an exit status other than 0 stops a loop, a cell and Run all."""
    error = shell.fails("%%session --name build\necho working\nexit 3")
    assert isinstance(error, SessionFailedError)
    assert (error.code, error.signal) == (3, None)
    output, told = shell.out.splitlines()
    assert output == "working"
    assert "SessionFailedError" in told
    assert "build (pid " in told
    assert "exit status 3" in told
    assert "Traceback" not in shell.out + shell.err


def test_what_follows_a_failed_session_in_its_cell_is_not_run(shell):
    """Python: an exception ends the cell."""
    shell.fails("reached = False\n%session false\nreached = True")
    assert shell["reached"] is False


def test_python_code_can_catch_a_failure(shell):
    """Ours: the error has its place in the tree and its facts as attributes."""
    shell.ok(
        "import vibesbox\n"
        "try:\n    %session exit 7\nexcept vibesbox.SessionFailedError as error:\n    code = error.code\n"
    )
    assert shell["code"] == 7


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%kill nobody", "session nobody not found; known: none yet"),
        ("%ps --widgit", "%ps has no option --widgit; did you mean --widget?"),
        ("%session --bg", "%session needs a command to run"),
        ("%session --cwd /no/such/place ls", "UsageError: the directory /no/such/place can not be entered"),
        ("%parallel -1", "'-1' is not how many sessions may run at a time"),
        ("%%session --nmae x\necho no", "did you mean --name?"),
        ("%%session\n  \n", "there is no script below it"),
        ("%tail", "required"),
        ("%wait x -t soon", "'soon' is not a duration"),
    ],
)
def test_a_users_mistake_is_one_line_and_runs_nothing(shell, line, said):
    """Ours: no traceback through our code for what a user can put right."""
    assert isinstance(shell.fails(line), UsageError)
    told = _one_line(shell.err)
    assert told.startswith("UsageError: ")
    assert said in told
    assert "no sessions" in shell.ok("%ps")


def test_a_background_session_returns_at_once_and_says_how_to_reach_it(shell, blocking_lifeline):
    """Ours: name and pid are what the other magics take."""
    said = shell.ok(f"%%session --bg --name job\nexec 9>{blocking_lifeline.path}; echo out; echo alive >&9; sleep 600")
    assert said.startswith("job (pid ")
    blocking_lifeline.held()
    assert "running" in shell.ok("%ps")
    assert "out\n" in shell.ok("%tail job")
    assert "killed" in shell.ok("%kill job")
    blocking_lifeline.released()


def test_a_session_that_waits_for_its_turn_says_so_and_runs_when_it_comes(shell):
    """Ours: what it waits for is said with it."""
    shell.ok("%session --bg --name gate read line; exit $line")
    said = shell.ok("%session --bg --name next --after gate echo it runs")
    assert "waits for gate (pid " in said
    assert "next (pid " in said
    assert "is queued; %tail next" in said
    assert "queued" in shell.ok("%ps")
    shell.ok("%send gate 0")
    shell.ok("%wait next")
    assert shell.ok("%tail next") == "it runs\n"


def test_a_session_that_follows_a_failure_raises_and_says_why(shell):
    """Ours: in the foreground nobody waits for what will never be."""
    shell.ok("%session --bg --name gate sleep 0.3; exit 3")
    shell.fails("%session --name next --after gate echo it runs")
    assert "not started: gate (pid " in shell.out
    assert "did not succeed: exited (exit 3)" in shell.out
    assert "\nit runs" not in shell.out


def test_sharing_magics_say_what_they_did_and_give_values(shell):
    """Ours: the same words as in a cell of the kernel, and objects for Python code."""
    shell.ok("%session --bg --name job sleep 600")
    assert shell.ok("%durable job").endswith(": outlives this program now\n")
    assert shell.ok("(kept,) = %durable --off job") == ""
    assert shell.ok("print(kept.durable)") == "False\n"
    assert shell.ok("renamed = %rename job work") == ""
    assert shell.ok("print(renamed.name)") == "work\n"
    assert shell.ok("%parallel").startswith("sessions: any number at a time\n")
    assert shell.ok("%parallel 2 -g gpu") == "sessions of the group gpu: at most 2 at a time\n"
    assert shell.ok("%kill work").startswith("work (pid ")


def test_the_tab_key_knows_options_values_and_sessions(shell):
    """Ours: the same as in the kernel."""
    shell.ok("%session --bg --name job-of-mine sleep 600")
    for line, wanted in [
        ("%session --dura", "--durable"),
        ("%%session --on-full dr", "drop_oldest"),
        ("%tail job-of", "job-of-mine"),
        ("%session --after job-of", "job-of-mine"),
        ("%vibesbox doc", "doctor"),
    ]:
        with provisionalcompleter():
            assert wanted in [one.text for one in shell.ip.Completer.completions(line, len(line))]
    shell.ok("%kill job-of-mine")


def test_ps_gives_a_list_when_its_value_is_used_and_shows_nothing(shell):
    """Ours: results are Python objects."""
    shell.ok("%session --name first true")
    assert shell.ok("found = %ps") == ""
    assert shell.ok("print([(one.name, one.exit_code) for one in found])") == "[('first', 0)]\n"
    assert "first" in shell.ok("found")  # a list of sessions shows itself as the table
    assert "<table" in shell["found"]._repr_html_()


def test_magics_show_wherever_they_stand_alone(shell):
    """Ours: not only as a cell's last line."""
    shell.ok("%session --name first true")
    shell.ok("%ps\nfor _ in range(2):\n    %ps\ndef table():\n    %ps\ntable()\n1")
    assert shell.out.count("first") == 4
    assert "[None" not in shell.out


def test_magics_show_in_the_cell_that_loads_the_extension(bare_shell):
    """Ours: IPython has read the whole cell before it runs its first line."""
    said = bare_shell.ok("%load_ext vibesbox\n%session --bg --name job sleep 600\nfound = %ps\n%ps\n%kill job -9\n")
    assert "runs in the background" in said
    assert said.count("sleep 600") == 2  # what is not known to be taken is shown
    assert bare_shell.ok("print(found[0].name)") == "job\n"


def test_a_session_is_an_object_when_its_value_is_used(shell):
    """Ours: wait, output, status and kill from Python."""
    assert shell.ok("s = %session printf 'a\\nb\\n'") == "a\nb\n"
    assert shell.ok("print(repr(s.output), s.exit_status, s.is_running)") == "'a\\nb\\n' exit 0 False\n"
    assert shell.ok("b = %session --bg --name slow sleep 600") == ""
    assert shell.ok("print(b.is_running, b.name, b.pid == b.info.pid)") == "True slow True\n"
    assert isinstance(shell.fails("b.wait(0.01)"), SessionTimeoutError)
    assert shell.ok("print(b.kill(force=True), b.is_running, b.exit_status)") == "True False SIGKILL\n"
    assert "killed (SIGKILL)" in shell.ok("b")


def test_a_session_can_be_awaited(shell):
    """Ours: from IPython's own event loop too."""
    shell.ok("b = %session --bg read line; exit 4")
    shell.ok("b.send('go\\n')\ninfo = await b")
    assert shell["info"].exit_code == 4


def test_tail_and_info_and_wait_give_values(shell):
    """Ours: text, a handle, a list."""
    shell.ok("%session --name three printf '1\\n2\\n3\\n'")
    assert shell.ok("text = %tail three -n 2\nprint(repr(text))") == "'2\\n3\\n'\n"
    assert shell.ok("s = %info three\nprint(s.output)") == "1\n2\n3\n\n"
    assert shell.ok("over = %wait three\nprint(over[0].name)") == "three\n"


def test_input_reaches_a_background_session(shell):
    """Ours: %send types a line."""
    shell.ok("%session --bg --name ask read answer; echo got $answer")
    shell.ok("%send ask forty two")
    shell.ok("%wait ask")
    assert "got forty two" in shell.ok("%tail ask")


def test_a_queued_session_does_not_run_and_says_that_it_is_queued(shell):
    """Ours: nor is one that was cancelled said to have run."""
    shell.ok("%session --bg --name gate sleep 600")
    shell.ok("%session --bg --name next --after gate true\ns = %info next")
    assert shell.ok("print(s.is_running, s)").startswith("False <Session next (pid ")
    assert " queued " in shell.ok("print(repr(s._session))")
    shell.ok("%kill gate next -9")
    assert " cancelled " in shell.ok("print(repr(s._session))")


def test_a_background_session_that_follows_a_failure_is_not_said_to_run(shell):
    """Ours: one line says why it never will."""
    shell.ok("%session --bg --name before exit 3\n%wait before")
    said = shell.ok("%session --bg --after before true\n%wait before")
    assert "is queued" not in said
    assert "runs in the background" not in said


def test_a_name_that_is_taken_is_refused_with_a_way_out(shell):
    """Ours: the magic that helps is named."""
    shell.ok("%session --bg --name web sleep 600")
    assert isinstance(shell.fails("%session --bg --name web true"), UsageError)
    assert _one_line(shell.err).endswith("; give another name, or %rename the other")


def test_a_wait_that_is_too_short_fails_and_says_so(shell):
    """Ours: the session goes on."""
    shell.ok("%session --bg --name slow sleep 600")
    assert isinstance(shell.fails("%wait slow -t 0.01"), UsageError)
    assert "has not ended after 0.01 s" in shell.out
    assert "UsageError: %wait: the session did not end in that time" in shell.err
    shell.ok("%kill slow -9")


def test_capture_takes_a_sessions_output_as_pythons_own(shell):
    """IPython: %%capture takes what a cell writes."""
    assert shell.ok("%%capture held\n%session echo inside") == ""
    assert shell["held"].stdout == "inside\n"


def test_a_flood_is_cut_in_the_terminal_and_whole_in_the_spool(shell, isolation):
    """Ours: bounded output, and how to have it all."""
    shown = shell.ok("%session --name flood seq 1 200000")
    assert shown.startswith("1\n2\n")
    assert shown.endswith("199999\n200000\n")
    assert len(shown.splitlines()) < 2500
    assert "--save FILE" in shell.err
    shell.ok(f"%tail flood --save {isolation}/all")
    assert (isolation / "all").read_text() == "".join(f"{n}\n" for n in range(1, 200001))


def _interrupt_when(running: BlockingLifeline) -> threading.Thread:
    """Send SIGINT to this process, as Ctrl-C does, when the session that is about to be started runs."""

    def wait_and_send() -> None:
        running.held()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


def test_an_interrupt_ends_the_session_and_keeps_the_state(shell, blocking_lifeline):
    """Ours: Ctrl-C is the session's."""
    thread = _interrupt_when(blocking_lifeline)
    # The program itself says that it runs: a signal between two commands of bash is lost on the second.
    program = f"exec sh -c 'exec 9>{blocking_lifeline.path}; echo alive >&9; exec sleep 600'"
    error = shell.fails(f"%%session\nn=7\n({program})")
    thread.join()
    assert isinstance(error, KeyboardInterrupt)
    said, ended = shell.out.splitlines()
    assert "SIGINT to the shell (pid " in said
    assert "interrupted" in ended
    assert shell.ok("%session echo $n") == "7\n"


def test_after_a_session_an_interrupt_is_pythons_again(shell):
    """Python: KeyboardInterrupt."""
    shell.ok("%session true")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_ends_a_session_that_ignores_the_first(shell, isolation):
    """Ours: two stages, each of them said."""
    fifo = BlockingLifeline(isolation / "second")

    def interrupt_twice() -> None:
        fifo.lines(1)
        os.kill(os.getpid(), signal.SIGINT)
        fifo.lines(2)  # the trap has run
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt_twice)
    thread.start()
    error = shell.fails(
        f"%%session\nexec 9>{fifo.path}\ntrap 'echo trapped >&9' INT\necho alive >&9\nwhile :; do sleep 0.1; done"
    )
    thread.join()
    fifo.close()
    assert isinstance(error, KeyboardInterrupt)
    assert "interrupted again: SIGTERM" in shell.out


def test_following_shows_everything_to_the_end(shell):
    """Ours: %tail -f ends with the session."""
    shell.ok("%session --bg --name count read line; seq 1 5; exit 1")
    shell.ok("%send count go")
    assert shell.ok("%tail -f count").endswith("1\n2\n3\n4\n5\n")


def test_loading_twice_changes_nothing(shell):
    """Ours: %load_ext in a cell that is run again."""
    shell.ok("%session --bg --name job sleep 600")
    shell.ok("import vibesbox\nvibesbox.load_ipython_extension(get_ipython())\n%load_ext vibesbox")
    assert "running" in shell.ok("%ps")
    assert len(shell.ip.ast_transformers) == 1


def test_unloading_ends_the_sessions_and_takes_the_magics(shell):
    """IPython: unload_ipython_extension undoes everything."""
    pid = int(shell.ok("b = %session --bg sleep 600\nprint(b.pid)"))
    assert is_alive(pid)
    shell.ok("%unload_ext vibesbox")
    wait_gone(pid)
    assert shell.ip.ast_transformers == []
    for name in MAGICS:
        magic = shell.ip.find_line_magic(name)
        assert magic is None or magic.__module__.startswith("IPython."), name
    assert shell.ip.find_cell_magic("session") is None


def test_reloading_begins_anew(shell):
    """IPython: %reload_ext."""
    pid = int(shell.ok("b = %session --bg sleep 600\nprint(b.pid)"))
    shell.ok("%reload_ext vibesbox")
    wait_gone(pid)
    assert "no sessions" in shell.ok("%ps")
    assert shell.ok("%session echo again") == "again\n"


def test_a_magic_that_had_a_name_before_has_it_back_after(bare_shell):
    """Ours: we leave a shell as we found it."""

    def mine(line: str) -> str:
        return line

    bare_shell.ip.register_magic_function(mine, "line", "ps")
    bare_shell.ok("%load_ext vibesbox")
    assert "no sessions" in bare_shell.ok("%ps")
    bare_shell.ok("%unload_ext vibesbox")
    assert bare_shell.ip.find_line_magic("ps") is mine


def test_a_session_is_followed_in_the_foreground(shell):
    """Ours: as if it had been started there; its failure raises."""
    shell.ok("%session --bg --name worker echo working; read line; echo got $line; exit 4")
    shell.ok("%send worker it")
    shell.fails("%fg worker")
    assert "working" in shell.out
    assert "got it" in shell.out
    assert "exit status 4" in shell.out


def test_a_running_session_is_sent_to_the_background_from_another_thread(shell, tmp_path):
    """Ours: a subshell of ipykernel is such a thread."""
    fifo = BlockingLifeline(tmp_path / "fifo")

    def send_away() -> None:
        fifo.held()
        shell.ip.run_line_magic("bg", "")

    thread = threading.Thread(target=send_away)
    thread.start()
    shell.ip.user_ns["thread"] = thread  # the cell ends when both have said what they have to say
    out = shell.ok(f"%session --name long exec 9>{fifo.path}; echo up >&9; sleep 600\nthread.join()")
    assert "long (pid " in out
    assert "goes on in the background" in out
    assert "running" in shell.ok("%ps")
    shell.ok("%kill long")
    fifo.released()
    fifo.close()


def test_a_command_is_run_again_and_ipythons_own_magic_of_that_name_still_works(shell):
    """IPython: %rerun repeats input; ours is meant where a session is named."""
    shell.ok("%session --name job echo job")
    assert shell.ok("%rerun job").endswith("job\n")
    assert "No lines in history" in shell.ok("%rerun -l 1")


def test_a_cell_can_be_judged_and_formatted(shell):
    """Ours: the formatted cell stays one of ours."""
    assert "2:4: info: Double quote" in shell.ok("%%lint\nls $1")
    shell.ok("%%fmt\nif true\nthen ls;fi")
    assert shell.ip.rl_next_input == "%%session\nif true; then ls; fi"
    shell.ok("%%fmt\n%%session --bg\n{ ls;}")
    assert shell.ip.rl_next_input == "%%session --bg\n{ ls; }"


def test_a_secret_is_asked_for_and_only_the_session_has_it(shell, monkeypatch):
    """Ours: as in the kernel; its value is not in the options that are remembered."""
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "kept away"

    monkeypatch.setattr("getpass.getpass", answer)
    assert shell.ok('%session --secret-env TOKEN --name job echo "$TOKEN"') == "kept away\n"
    assert shell.ok("%%session\necho ${TOKEN-unset}") == "unset\n"
    assert shell.ok("%rerun job") == "kept away\n"
    assert asked == ["Secret TOKEN: "] * 2

    def nobody(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    assert "no value was given for TOKEN; nothing is run" in str(shell.fails("%session --secret-env TOKEN echo ran"))
    assert "ran" not in shell.out


def test_with_expand_values_of_python_are_put_into_a_session(shell):
    """Ours: off by default; {x} any expression, $x a variable, and what Python does not know is the shell's."""
    shell.ok("x, words, t = 'a b', {'k': [1, 2]}, 600\nclass C: y = 'attribute'")
    assert shell.ok("%session --expand echo {x} {len(x)} {words['k'][0:1]} $x $HOME_OF_NOBODY. $C.y $x.txt") == (
        "a b 3 [1] a b . attribute a b.txt\n"
    )
    assert shell.ok("%session --expand --env V={x} --timeout {t} v=1; echo $v '$$' \"$V\" ${{V}} {{1,2}}") == (
        "1 $ a b a b 1 2\n"
    )
    assert shell.ok("%%session --expand --env 'V={x}'\nf() {{ echo \"$V {x!r}\"; }}\nf") == "a b 'a b'\n"
    assert shell.ok("%session echo '{x}'") == "{x}\n"


def test_with_expand_a_functions_own_variables_are_known(shell):
    """Python: a function's names are its locals."""
    code = "def f(inner):\n    %session --expand echo {inner} $inner\nf('own')"
    assert shell.ok(code) == "own own\n"
    assert shell.ok("def g(n):\n    get_ipython().run_line_magic('session', '--expand echo {n}')\ng(3)") == "3\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%session --expand echo {nobody} {1}", "there is no Python variable 'nobody', which {nobody} asks for"),
        ("%session --expand awk '{print $1}'", "{print $1} is no Python expression; {{ and }} stand for"),
        ("%session --expand echo }", "Single '}' encountered in format string; {{ and }} stand for"),
        ("%session --expand echo {1/0}", "{1/0}: ZeroDivisionError: division by zero"),
        ("%session --expand --timeout {str.__name__} echo ran", "'str' is not a duration"),
    ],
)
def test_with_expand_what_can_not_be_put_in_is_said_and_nothing_is_run(shell, line, said):
    """Ours: by the name of what is missing."""
    assert said in str(shell.fails(line))
    assert shell.ok("%ps") == "no sessions\n"
