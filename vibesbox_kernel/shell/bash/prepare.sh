# Before the cell: take on the state, wait for the word to begin, and look whether the cell can be read at all.
#
# Sourced by cell.sh with $1 the directory of these files, $3 the mark for `state` (see finish.sh), $4 the fifo for
# announcements (see leave.sh; may be empty), $5 the functions to be read ahead (see library.sh; may be empty) and $2
# the directory of this cell, which holds
#   restore.sh, functions   the state that the cell starts from
#   begin.sh                what must wait until the driver is out of the way (see restore.py)
#   <label>                 the cell's text
# and takes `state`, what is to be carried on to the next cell.
#
# Everything is in one group for the reason given in cell.sh, and every builtin is called by `builtin`: users define
# functions named cd, exit and trap.
{
    __vb_driver=$1 __vb_cell=$2 __vb_mark=$3 __vb_announcements=${4-} __vb_library=${5-}
    builtin set --
    # The cell's file is sourced by its bare name, for messages name it as it was given: `In[12]: line 3: ...`.
    builtin cd -P -- "$__vb_cell" 2>/dev/null || builtin exit 0 # given up before it was up, and its files are gone
    builtin . "$__vb_driver/common.sh"
    # What limits a bash has before any state: those need not be set (see restore.py). It is the same for all of them.
    [[ -e $__vb_driver/limits ]] || {
        builtin ulimit -S -a
        builtin printf '\n'
        builtin ulimit -H -a
        builtin printf '\nend\n'
    } >|"$__vb_driver/limits"
    [[ ! $__vb_library ]] || builtin . "$__vb_driver/library.sh"
    # See early.sh. The first `trap` looks at every signal: now, while nobody waits.
    builtin trap '__vb_early=yes' INT

    # Descriptor 250 is the control pipe. `s`: take on the state; `e`: a variable and its value, a secret, which is
    # written nowhere and handed on to nobody; `c`: the cell, with how it is to be looked at and what it is called. End of
    # file means that this bash is not wanted any more. The time limit is there because of TMOUT, which `read` would take
    # for its own.
    __vb_word=
    while [[ $__vb_word != c ]]; do
        if builtin read -r -N 1 -t 99999999 -u 250 __vb_word; then
            [[ $__vb_word != s ]] || builtin . ./restore.sh 2>|restore.log
            [[ $__vb_word != e ]] || {
                builtin mapfile -t -d '' -n 1 -u 250 __vb_words # not by `read`, which takes off what is in IFS
                builtin unset -v "${__vb_words%%=*}"
                builtin declare -x "$__vb_words"
            }
        else
            (($? > 128)) || builtin exit 0
        fi
    done
    builtin mapfile -t -d '' -n 2 -u 250 __vb_words
    __vb_check=$__vb_words __vb_label=${__vb_words[1]}
    # Under `builtin` an `exec` would change nothing for good. In the posix mode no function is before it.
    if builtin declare -F exec >/dev/null; then
        builtin set -o posix
        \exec 250<&-
        builtin set +o posix
    else
        \exec 250<&-
    fi

    # A fork reads the cell with `set -n`, which reads and runs nothing. A shell under `set -n` would not even begin to
    # source; but a DEBUG trap runs when the decision to run the `.` has been taken.
    if [[ $__vb_check != none ]] && ! (
        [[ $__vb_check != extglob ]] || builtin shopt -s extglob
        builtin trap '\builtin set -n' DEBUG
        builtin . -- "$__vb_label"
    ) 2>|syntax.log; then
        [[ ! $__vb_early ]] || builtin . "$__vb_driver/early.sh"
        __vb_shopts=$BASHOPTS
        builtin shopt -u expand_aliases
        builtin . "$__vb_driver/syntax-error.sh" 2>/dev/null
        [[ $__vb_message ]] || builtin read -r -d '' __vb_message <syntax.log || builtin :
        builtin printf '%s\n' "$__vb_message" >&2
        builtin printf '\n%s syntax\n%s\n' "$__vb_mark" "$__vb_message" >>state
        builtin printf '\n%s end\n2 syntax\n' "$__vb_mark" >>state
        builtin kill -STOP $$
        builtin exit 2
    fi

    # `exit`, `set -e` and signals end in the EXIT trap, and so does leave.sh. In its text (at-exit.sh) `trap -p` comes first, because
    # inside a sourced file bash hides the DEBUG trap, and aliases are off before finish.sh is read. It is short, because
    # `set -v` shows it.
    builtin trap -- "$__vb_trap" EXIT
}
