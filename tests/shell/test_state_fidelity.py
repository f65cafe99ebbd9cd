"""What a foreground cell leaves is what the next one finds: construct by construct, on a terminal and on a pipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.bench import Bench

# name: (the first cell, the second cell, what the second writes)
ROWS: dict[str, tuple[str, str, str]] = {
    "directory": ("cd /usr/bin", "pwd; echo $PWD $OLDPWD; cd - >/dev/null; pwd", "/usr/bin\n/usr/bin {home}\n{home}\n"),
    "directory reached by a link": (
        "ln -s /usr u; cd u/bin",
        "pwd; pwd -P; cd ..; pwd",
        "{home}/u/bin\n/usr/bin\n{home}/u\n",
    ),
    "directory with odd bytes": ("mkdir $'a\\n b\\''; cd a*", 'printf %q "$PWD"', "$'{home}/a\\n b\\''"),
    "unset OLDPWD": ("cd /; unset OLDPWD", 'echo "${OLDPWD-none}"', "none\n"),
    "directory stack": (
        "cd /; pushd /usr >/dev/null; pushd /tmp >/dev/null",
        "dirs; popd; popd",
        "/tmp /usr /\n/usr /\n/\n",
    ),
    "directory stack with odd names": (
        "mkdir 'a b' $'c\\nd'; pushd 'a b' >/dev/null; pushd ../c* >/dev/null; pushd / >/dev/null",
        'for d in "${DIRSTACK[@]:1}"; do printf "%q\\n" "${d##*/}"; done',
        "$'c\\nd'\na\\ b\n{base}\n",
    ),
    "umask": ("umask 027", "umask", "0027\n"),
    "soft limit": ("ulimit -S -n 77", "ulimit -S -n; ulimit -H -n | grep -c 77", "77\n0\n"),
    "hard limit": ("ulimit -H -c 5; ulimit -S -c 4", "ulimit -S -c; ulimit -H -c", "4\n5\n"),
    "variable": ("x=5", "echo $x", "5\n"),
    "exported variable": ("export x='a b'", "sh -c 'echo \"$x\"'", "a b\n"),
    "variable no longer exported": ("export x=1", "sh -c 'echo $x'; export -n x", "1\n"),
    "unset inherited variable": ("unset HOME LANG", 'echo "${HOME-none} ${LANG-none}"', "none none\n"),
    "unset default variables": (
        "unset IFS PS4 OPTIND",
        'echo "${IFS-none} ${PS4-none} ${OPTIND-none}"',
        "none none none\n",
    ),
    "empty variable": ("x=", 'echo "${x-none}${x:-empty}"', "empty\n"),
    "any bytes": ("x=$'\\001\\377\\n\\t\\x80'", 'printf %s "$x" | od -An -tx1 | tr -d " \\n"', "01ff0a0980"),
    "text like our own": (
        "x=$'\\n\\001end\\n'; y='declare -- z=\"1\"'",
        'printf "%q %q %s" "$x" "$y" "${z-none}"',
        "$'\\n\\001end\\n' declare\\ --\\ z=\\\"1\\\" none",
    ),
    "a megabyte": ("printf -v x '%1000000s' ''", "echo ${#x}", "1000000\n"),
    "sparse array": ("a=([3]=x [7]='y z')", "declare -p a", 'declare -a a=([3]="x" [7]="y z")\n'),
    "empty array": ("declare -a a=()", "declare -p a", "declare -a a=()\n"),
    "array without a value": ("declare -a a", "a+=(1); declare -p a", 'declare -a a=([0]="1")\n'),
    "associative array": (
        "declare -A h=([a b]=1 [']']=2 [$'n\\n']=3)",
        'echo "${h[a b]} ${h["]"]} ${h[$\'n\\n\']} ${#h[@]}"',
        "1 2 3 3\n",
    ),
    "exported array": ("declare -ax a=(1 2)", "declare -p a", 'declare -ax a=([0]="1" [1]="2")\n'),
    "integer": ("declare -i n=3", "n+=4; echo $n", "7\n"),
    "lower and upper case": ("declare -l l=ABC; declare -u u=abc", "l+=DEF; u+=def; echo $l $u", "abcdef ABCDEF\n"),
    "attribute without a value": ("declare -i n", "n=1+2; echo $n", "3\n"),
    "name reference": ("t=1; declare -n r=t", "r=2; echo $t ${!r}", "2 t\n"),
    "name reference into an array": ("declare -a z=(1 2); declare -n r='z[1]'", "r=9; echo ${z[@]}", "1 9\n"),
    "read-only variable": ("declare -r c=1", "(c=2) 2>&1 | sed 's/.*: //'; echo $c", "readonly variable\n1\n"),
    "function": ('f() { echo "f $1"; }', "f x", "f x\n"),
    "function with an odd name": ("a-b.c() { echo odd; }; function é+ { echo plus; }", "a-b.c; é+", "odd\nplus\n"),
    "function with a here-document": ("f() { cat <<'X'\n}\ng () \n{ \n$a `b`\nX\n}", "f", "}\ng () \n{ \n$a `b`\n"),
    "function with a name that no file can have": (
        f"{'f' * 300}() {{ echo long; }}; a/b() {{ echo slash; }}",
        f"{'f' * 300}; a/b",
        "long\nslash\n",
    ),
    "function with extended patterns": (
        "shopt -s extglob\nf() { case $1 in !(a|b)) echo other;; esac; }",
        "f c",
        "other\n",
    ),
    "exported function": ("f() { echo exported; }; export -f f", "bash -c f", "exported\n"),
    "read-only function": ("f() { echo 1; }; readonly -f f", "(f() { echo 2; }) 2>/dev/null; f", "1\n"),
    "functions that are called like builtins": (
        "cd() { echo my cd; }; exit() { echo my exit; }; trap() { :; }; declare() { :; }; alias() { :; }; "
        "printf() { :; }; read() { :; }",
        "cd; exit; x=1; pwd",
        "my cd\nmy exit\n{home}\n",
    ),
    "unset function": ("f() { :; }; unset -f f", "type -t f || echo none", "none\n"),
    "alias": ("alias ll='echo long'", "ll x", "long x\n"),
    "alias with odd characters": ("alias a-b='echo '\\''q'\\''' -- '..=echo up'", "a-b; ..", "q\nup\n"),
    "alias of several lines": ("alias two='echo 1\necho 2'", "two", "1\n2\n"),
    "alias is not expanded into functions": (
        "f() { hello; }; alias hello='echo wrong'; hello() { echo right; }",
        "\\f; f",
        "right\nright\n",
    ),
    "aliases of our own words": (
        "cd /usr; trap 'echo it' USR1; alias builtin=false .=false exit=false declare=false trap=false echo='echo e'",
        "echo x; pwd; echo $OLDPWD; kill -USR1 $$",
        "e x\n/usr\ne {home}\ne it\n",
    ),
    "aliases off": (
        "shopt -u expand_aliases; alias echo=false",
        "echo fine; shopt expand_aliases | tr -d '\\t'",
        "fine\nexpand_aliases off\n",
    ),
    "removed alias": ("alias q=echo; unalias q", "q 2>/dev/null || echo none", "none\n"),
    "set -u": ("set -u", "echo $nothing; echo not reached", "{label}: line 1: nothing: unbound variable\n"),
    "set -e": ("set -e", "echo a; false; echo b", "a\n"),
    "set -e in subshells and conditions": (
        "set -e",
        "if false; then :; fi; false || echo or; (false; echo no) || true; echo end",
        "or\nno\nend\n",
    ),
    "set -f": ("set -f", "echo /*", "/*\n"),
    "set -x": ("set -x", "echo x", "++ echo x\nx\n"),
    "set -v": ("set -v", "echo x", "x\n"),
    "set -o pipefail": ("set -o pipefail", "false | true; echo $?", "1\n"),
    "set -C": ("set -C; : >f", "echo 1 >f; echo $?", "{label}: line 1: f: cannot overwrite existing file\n1\n"),
    "set -a": ("set -a", "x=1; sh -c 'echo $x'", "1\n"),
    "set -m": ("set -m", "case $- in *m*) echo on;; esac", "on\n"),
    "set -o posix": ("set -o posix", "shopt -o posix | tr -d '\\t'; alias zz='echo a'\nzz", "posix          on\na\n"),
    "set -o history does not remember lines of ours": ("set -o history", "echo 1\nhistory", "1\n"),
    "set -o posix off again": (
        "set -o posix; set +o posix",
        "shopt -o posix | tr -d '\\t'; echo ${POSIXLY_CORRECT-none}",
        "posix          off\nnone\n",
    ),
    "shopt": ("shopt -s nullglob dotglob; shopt -u progcomp", "echo /nothing*; shopt -q progcomp; echo $?", "\n1\n"),
    "shopt that would disturb us": (
        "shopt -s failglob nocasematch extdebug xpg_echo lastpipe localvar_unset",
        "echo 'a\\tb'; echo x | read y; echo $y",
        "a\tb\nx\n",
    ),
    "IFS": ("IFS=/", "x=a/b/c; echo $x", "a b c\n"),
    "read-only IFS": ("readonly IFS=/", "x=a/b/c; echo $x", "a b c\n"),
    "TMOUT": ("readonly TMOUT=1", "echo $TMOUT", "1\n"),
    "OPTIND": ("set -- -a -b; getopts ab o", "getopts ab o; echo $o $OPTIND", "b 3\n"),
    "positional parameters": ("set -- 'a b' '' $'c\\nd'", 'echo $#; printf "<%s>" "$@"', "3\n<a b><><c\nd>"),
    "no positional parameters": ("set -- a; set --", "echo $#", "0\n"),
    "hash -p": ("hash -p /bin/echo 'my cmd'", "'my cmd' works; hash -t 'my cmd'", "works\n/bin/echo\n"),
    "programmable completion": (
        "_f() { :; }; complete -F _f -o nospace mine; complete -W 'a b' other",
        "complete -p mine other",
        "complete -o nospace -F _f mine\ncomplete -W 'a b' other\n",
    ),
    "disabled builtins": (
        "enable -n printf read local trap kill",
        "type -t printf; builtin enable | grep -c 'enable printf'",
        "file\n0\n",
    ),
    "enabled again": ("enable -n printf; enable printf", "type -t printf", "builtin\n"),
    "trap on a signal": ("trap 'echo got it' USR1", "kill -USR1 $$", "got it\n"),
    "ignored signal": ("trap '' USR1", "kill -USR1 $$; echo alive", "alive\n"),
    "trap on an interrupt": ("trap 'echo got it' INT", "kill -INT $$; echo on", "got it\non\n"),
    "trap on an interrupt in posix mode": ("set -o posix; trap 'echo it' INT", "kill -INT $$; echo on", "it\non\n"),
    "ignored interrupt": ("trap '' INT", "kill -INT $$; echo alive", "alive\n"),
    "trap of several lines": ("trap $'echo 1\\necho \\'2\\'' USR2", "kill -USR2 $$", "1\n2\n"),
    "ERR trap": ("trap 'echo err' ERR", "false; true", "err\n"),
    "DEBUG trap": ("trap 'echo dbg' DEBUG", "true", "dbg\n"),
    "DEBUG trap of a cell that exits": ("trap 'echo dbg' DEBUG; exit 0", "true", "dbg\n"),
    "RETURN trap": ("set -T; trap 'echo ret' RETURN; f() { :; }", "f; trap - RETURN", "ret\n"),
    "removed traps": ("trap 'echo x' ERR; trap - ERR", "false; echo none", "none\n"),
    "EXIT trap is the cell's own": ("trap 'echo bye; y=9' EXIT", "echo $y", "9\n"),
    "$? of the cell before": ("(exit 7)", "echo $?", "7\n"),
    "$? under set -e": ("set -e; (exit 7)", "echo $?; true; echo on", "7\non\n"),
    "$? and an ERR trap": ("trap 'echo err' ERR; set -E; exit 7", "echo $?", "7\n"),
    "exit": ("x=1; exit 3; x=2", "echo $? $x", "3 1\n"),
    "return": ("x=1; return 4; x=2", "echo $? $x", "4 1\n"),
    "set -e ends a cell": ("set -e; x=1; false; x=2", "echo $? $x", "1 1\n"),
    "set -u ends a cell": ("set -u; x=1; echo $nothing; x=2", "echo $x", "1\n"),
    "${x:?} ends a cell": ("x=1; : ${nothing:?}; x=2", "echo $x", "1\n"),
    "exit in a function": (
        "x=global; f() { local x=inner y=1; z=2; exit 5; }; f",
        "echo $? $x ${y-none} $z",
        "5 global none 2\n",
    ),
    "the end by a signal": ("x=1; kill $$; x=2", "echo $? $x", "143 1\n"),
    "SECONDS": ("SECONDS=1000", "((SECONDS >= 1000 && SECONDS < 1010)) && echo on", "on\n"),
    "RANDOM is fresh": ("echo $RANDOM", "unset nothing; echo ${RANDOM:+fresh}", "fresh\n"),
    "exec into a file ends with its cell": ("exec >f 2>&1; echo hidden", "echo shown; cat f", "shown\nhidden\n"),
    "SHLVL stays": ("echo $SHLVL >lvl", '[[ $SHLVL == "$(cat lvl)" ]] && echo same', "same\n"),
    "the session's marker is not carried": ("export VIBESBOX_SESSION=old", 'echo "${VIBESBOX_SESSION-none}"', "none\n"),
    "our own names are not carried": ("__vb_x=1", 'echo "${__vb_x-none}"', "none\n"),
    "GLOBIGNORE": ("GLOBIGNORE='a*'; touch ab bb", "echo ?b", "bb\n"),
    "LC_ALL": ("export LC_ALL=C", "printf %q é", "$'\\303\\251'"),
    "BASH_REMATCH": ("[[ abc =~ b(.) ]]", "echo ${BASH_REMATCH[1]}", "c\n"),
    "venv-like activation": (
        "P=$PATH; _old=$PATH; PATH=/x:$PATH; leave_it() { PATH=$_old; unset _old; unset -f leave_it; }",
        '[[ $PATH == /x:* ]] && leave_it; [[ $PATH == "$P" ]] && type -t leave_it || echo off',
        "off\n",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_the_next_cell_finds(bench: Bench, row: tuple[str, str, str]) -> None:
    """Ours: the table of what one cell hands on to the next."""
    first, second, expected = row
    bench.run(first)
    after = bench.run(second)
    home = str(Path.home())
    filled = expected.replace("{home}", home).replace("{base}", Path(home).name).replace("{label}", "In[2]")
    assert after.text == filled
