"""Programs that wait for input at a terminal, and programs that do not: what the detection is measured by."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

from vibesbox_kernel.models import InputKind

LINE, PASSWORD, KEY, KEYS = InputKind

PYTHON = sys.executable
_NODE_ASKS = (
    'const r = require("readline").createInterface({input: process.stdin, output: process.stdout});'
    'r.question("node? ", (x) => 0)'
)
_REPOSITORY = (
    "git init -q . && git config user.email a@b && git config user.name a && echo 1 >f && git add f && "
    "git commit -qm one && echo 2 >f"
)


@dataclass(frozen=True)
class Program:
    """One program at a terminal.

    Attributes:
        name: What the test calls it.
        command: Runs in bash, in an empty directory of its own.
        kind: What it waits for; None if it does something else.
        needs: Programs without which it can not be tried.
        root: It can only be tried as root.
    """

    name: str
    command: str
    kind: InputKind | None = None
    needs: tuple[str, ...] = ()
    root: bool = False

    def missing(self) -> str:
        """What keeps it from being tried here, in words; empty if nothing does."""
        return ", ".join(one for one in self.needs if shutil.which(one) is None)


def _python(code: str) -> str:
    return f"{PYTHON} -c '{code}'"


def _with(program: str, command: str, kind: InputKind | None = None, **more: bool) -> Program:
    return Program(command, command, kind, (program,), **more)


WAITING = (
    # Filters without a file
    *(
        Program(one, one, LINE)
        for one in ("cat", "head -n 1", "sort", "tee out", "wc", "dd", "sed p", "awk 1", "grep x")
    ),
    Program("cat below timeout", "timeout --foreground 60 cat", LINE),
    Program("a pipeline's first part", "cat | sort", LINE),
    # Bash
    Program("read", "read x", LINE),
    Program("read -p", "read -p 'Name: ' x", LINE),
    Program("read -s", "read -s -p 'Password: ' x", PASSWORD),
    Program("read -n 1", "read -n 1 -p 'Key: ' x", KEY),
    Program("read -t", "read -t 60 -p 'Soon: ' x", LINE),
    Program("read from /dev/tty", "read x </dev/tty", LINE),
    Program("read -u", "exec 7<&0; read -u 7 x", LINE),
    Program("mapfile", "mapfile lines", LINE),
    Program("select", "select x in a b; do break; done", LINE),
    Program("read in a function below a loop", "f() { read x; }; for i in 1; do f; done", LINE),
    Program("an interactive bash", "bash --norc -i", KEYS),
    Program("a shell's read", "sh -c 'read x'", LINE),
    Program("an interactive sh", "sh -i", LINE, ("dash",)),
    Program("zsh", "zsh -f -i", KEYS, ("zsh",)),
    Program("fish", "fish --no-config -i", KEYS, ("fish",)),
    # Python and others
    Program("input()", _python('input("Python? ")'), LINE),
    Program("sys.stdin.readline()", _python("import sys; sys.stdin.readline()"), LINE),
    Program("getpass()", _python("import getpass; getpass.getpass()"), PASSWORD),
    Program("input() in a thread", _python("import threading; threading.Thread(target=input).start()"), LINE),
    Program("an interactive Python", f"{PYTHON} -q", KEYS),
    Program("pdb", "echo pass >x.py; " + f"{PYTHON} -m pdb x.py", KEYS),
    Program("perl", "perl -e '$x = <STDIN>'", LINE, ("perl",)),
    Program("node", f"node -e '{_NODE_ASKS}'", KEYS, ("node",)),
    Program("npm init", "npm init", KEYS, ("npm",)),
    Program("tclsh", "tclsh", LINE, ("tclsh",)),
    # Questions of tools
    Program("rm -i", "touch f; rm -i f", LINE),
    Program("cp -i", "touch f g; cp -i f g", LINE),
    Program("mv -i", "touch f g; mv -i f g", LINE),
    Program("find -ok", "find . -maxdepth 0 -ok true ';'", LINE, ("find",)),
    Program("xargs -p", "echo a | xargs -p echo", LINE, ("xargs",)),
    Program("ssh-keygen", "ssh-keygen -q -t ed25519 -f key", PASSWORD, ("ssh-keygen",)),
    Program("openssl passwd", "openssl passwd", PASSWORD, ("openssl",)),
    Program("openssl genpkey", "openssl genpkey -algorithm ED25519 -aes256 -out key", PASSWORD, ("openssl",)),
    Program("git add -p", f"{_REPOSITORY}; git add -p", LINE, ("git",)),
    Program("git clean -i", f"{_REPOSITORY}; touch new; git clean -i", LINE, ("git",)),
    Program("git commit", f"{_REPOSITORY}; EDITOR='vi -u NONE' git commit -a", KEYS, ("git", "vi")),
    Program("git credential", "echo url=https://example.org | GIT_ASKPASS= git credential fill", LINE, ("git",)),
    Program("apt-get", "apt-get remove -o Debug::NoLocking=1 bc", LINE, ("apt-get", "bc"), root=True),
    Program("passwd", "passwd", PASSWORD, ("passwd",), root=True),
    Program("chsh", "chsh", LINE, ("chsh",), root=True),
    # Full screen, line editors
    Program("less", "less /etc/passwd", KEYS, ("less",)),
    Program("more", "seq 100 >f; more f", KEYS, ("more",)),
    Program("vi", "vi -u NONE", KEYS, ("vi",)),
    _with("top", "top", KEYS),
    Program("whiptail", "whiptail --yesno sure? 8 40", KEYS, ("whiptail",)),
    Program("fzf", "seq 9 | fzf", KEYS, ("fzf",)),
    _with("ed", "ed", LINE),
    Program("bc", "bc -q", KEYS, ("bc",)),
    Program("gdb", "gdb -q -nx", KEYS, ("gdb",)),
    Program("sqlite3", "sqlite3 -batch -interactive", KEYS, ("sqlite3",)),
    # Behind a terminal of their own
    Program("script", "script -qc 'read x' /dev/null", LINE, ("script",)),
    Program("a password behind script", "script -qc 'bash -c \"read -s x\"' /dev/null", PASSWORD, ("script",)),
    Program("expect", "expect -c 'spawn -noecho cat; interact'", LINE, ("expect",)),
    Program("sudo", "sudo -u nobody cat", LINE, ("sudo",), root=True),
    Program("su", "su nobody -s /bin/sh -c cat", LINE, ("su",), root=True),
)

NOT_WAITING = (
    Program("what is over at once", "true"),
    Program("sleep", "sleep 60"),
    Program("sleep below timeout", "timeout 60 sleep 60"),
    Program("a busy loop", "while :; do :; done"),
    Program("a loop of sleeps", "while :; do sleep 0.1; done"),
    Program("yes", "yes >/dev/null"),
    Program("something like a prompt", "printf 'Password: '; sleep 60"),
    Program("a question without a question", "printf 'Continue? [Y/n] '; exec sleep 60"),
    Program("no echo", "stty -echo; sleep 60", needs=("stty",)),
    Program("a raw terminal", "stty raw -echo; sleep 60", needs=("stty",)),
    Program("tail -f", "touch f; tail -f f"),
    Program("tail -f /dev/null", "tail -f /dev/null"),
    Program("cat below a pipe", "sleep 60 | cat"),
    Program("sort below a pipe", "sleep 60 | sort"),
    Program("a fifo", "mkfifo f; cat f"),
    Program("a fifo that is open", "mkfifo f; exec 5<>f; cat <&5"),
    Program("a read from a fifo", "mkfifo f; exec 5<>f; read x <&5"),
    Program("a process substitution", "cat <(sleep 60)"),
    Program("a coprocess", "coproc cat; sleep 60"),
    Program("a job in the background", "cat & sleep 60"),
    Program("a wait for a job", "sleep 60 & wait"),
    Program("wait -n", "sleep 60 & sleep 60 & wait -n"),
    Program("a lock", "flock f sleep 60", needs=("flock",)),
    Program("dd without end", "dd if=/dev/zero of=/dev/null"),
    Program("reading zeros", "cat /dev/zero >/dev/null"),
    Program("a checksum without end", "sha256sum /dev/zero"),
    Program("gzip of zeros", "gzip </dev/zero >/dev/null"),
    Program("input from /dev/null", "sleep 60 </dev/null"),
    Program("time.sleep()", _python("import time; time.sleep(60)")),
    Program(
        "threads asleep",
        _python("import threading, time; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(4)]"),
    ),
    Program("a server", f"{PYTHON} -m http.server 0"),
    Program("accept()", _python('import socket; s = socket.create_server(("127.0.0.1", 0)); s.accept()')),
    Program("recv()", _python("import socket; a, b = socket.socketpair(); a.recv(1)")),
    Program("select() of a socket", _python("import select, socket; select.select([socket.socketpair()[0]], [], [])")),
    Program("select() of nothing", _python("import select; select.select([], [], [], 60)")),
    Program("select() of the terminal without a prompt", _python("import select; select.select([0], [], [])")),
    Program("asyncio.sleep()", _python("import asyncio; asyncio.run(asyncio.sleep(60))")),
    Program("multiprocessing", _python("import multiprocessing as m, time; m.Pool(2).map(time.sleep, [60, 60])")),
    Program("a child that is waited for", _python('import subprocess; subprocess.run(["sleep", "60"])')),
    Program("a read from a pipe", _python("import os; r, w = os.pipe(); os.read(r, 1)")),
    Program("a wait for a signal", _python("import signal; signal.pause()")),
    Program("a semaphore", _python("import threading; threading.Event().wait()")),
    Program("perl asleep", "perl -e 'sleep 60'", needs=("perl",)),
    Program("node asleep", "node -e 'setTimeout(() => 0, 60000)'", needs=("node",)),
    Program("a node server", "node -e 'require(\"http\").createServer().listen(0)'", needs=("node",)),
    Program("top -b", "top -b", needs=("top",)),
    Program("watch", "watch -n 1 date", needs=("watch",)),
    Program("vmstat", "vmstat 1", needs=("vmstat",)),
    Program("nc -l", "nc -l -p 0", needs=("nc",)),
    Program("gdb -batch", "gdb -nx -batch -ex run --args sleep 60", needs=("gdb",)),
    Program(
        "sqlite3 at work",
        "sqlite3 :memory: 'with recursive t(x) as (select 1 union all select x + 1 from t) select max(x) from t'",
        needs=("sqlite3",),
    ),
    Program("ssh that connects", "ssh -o ConnectTimeout=60 192.0.2.1", needs=("ssh",)),
    Program("a command behind script", "script -qc 'sleep 60' /dev/null", needs=("script",)),
    Program("a command behind sudo", "sudo -u nobody sleep 60", needs=("sudo",), root=True),
    Program("a command behind expect", "expect -c 'spawn -noecho sleep 60; expect never'", needs=("expect",)),
)
