# After the cell, in its EXIT trap: write down the state, stop, and then be what the manager wants.
#
# `state` is in sections, each headed by a line `MARK NAME` (MARK is random, so that no text of the user's can look like
# it); the text before the first is `trap -p`. The last section says how the cell ended: without it the state is void.
{
    __vb_options=$SHELLOPTS${__vb_verbose:+:verbose}${__vb_xtrace:+:xtrace}
    builtin set +efkuvxET +o posix
    {
        # In as few lines as can be: bash writes each by itself.
        builtin read -r -d '' __vb_each <"$__vb_cell/disabled" || builtin :
        builtin printf "\n$__vb_mark %s\n%s\n" options "$__vb_options" shopt "$__vb_shopts" disabled "$__vb_each"
        builtin printf '\n%s umask\n' "$__vb_mark"
        builtin umask -p
        builtin umask 077 # what else is written may be a secret
        builtin printf '\n%s directory\n' "$__vb_mark"
        builtin pwd -L
        builtin printf '\n%s stack\n' "$__vb_mark"
        ((${#DIRSTACK[@]} > 1)) && builtin printf '%q\n' "${DIRSTACK[@]:1}"
        builtin printf '\n%s complete\n' "$__vb_mark"
        builtin complete -p
        # Said by name, for in a list of all variables bash shows this one as it was before.
        builtin printf '\n%s commands\n' "$__vb_mark"
        builtin declare -p BASH_CMDS
        builtin printf '\n%s soft-limits\n' "$__vb_mark"
        builtin ulimit -S -a
        builtin printf '\n%s hard-limits\n' "$__vb_mark"
        builtin ulimit -H -a
        builtin printf '\n%s aliases\n' "$__vb_mark"
        builtin alias -p
        # An `exit` inside a function: the positional parameters are the function's, and so are its locals. An `unset`
        # from a function called by it brings the global variables back into sight.
        __vb_inside=
        for __vb_each in "${FUNCNAME[@]}"; do
            [[ $__vb_each == source || $__vb_each == main ]] || __vb_inside=yes
        done
        if [[ $__vb_inside ]]; then
            builtin shopt -u localvar_unset
            builtin local -p >|"$__vb_cell/locals"
            __vb_reveal() { builtin unset -v "$1"; }
            while builtin read -r __vb_each; do
                __vb_each=${__vb_each#declare * }
                __vb_reveal "${__vb_each%%=*}"
            done <"$__vb_cell/locals"
            builtin unset -f __vb_reveal
        else
            builtin printf '\n%s parameters\n' "$__vb_mark"
            (($#)) && builtin printf '%q\n' "$@"
        fi
        [[ ! $__vb_wraps ]] || builtin unset -f trap __vb_with
        __vb_unchanged=
        [[ ! $__vb_library ]] || builtin . "$__vb_driver/unchanged.sh"
        builtin printf '\n%s functions\n' "$__vb_mark"
        if [[ ! $__vb_unchanged ]]; then
            builtin declare -f
            builtin printf '\n%s function-names\n' "$__vb_mark"
            builtin declare -F
        elif ((${#__vb_others[@]})); then
            builtin declare -f "${__vb_others[@]}"
        fi
        builtin printf '\n%s variables\n' "$__vb_mark"
        if [[ -e $__vb_cell/secrets ]]; then
            # The names of variables that are written nowhere, not even if the cell has made them read-only.
            builtin mapfile -t __vb_secrets <"$__vb_cell/secrets"
            builtin printf -v __vb_own ' %s ' "${__vb_secrets[@]}"
            builtin unset -v "${__vb_secrets[@]}"
            builtin compgen -v >|"$__vb_cell/names-now"
            builtin mapfile -t __vb_names <"$__vb_cell/names-now"
            for __vb_each in "${!__vb_names[@]}"; do
                [[ $__vb_own != *" ${__vb_names[__vb_each]} "* ]] || builtin unset -v "__vb_names[$__vb_each]"
            done
            builtin declare -p "${__vb_names[@]}"
        else
            builtin declare -p
        fi
        # $? is the exit status, unless a signal is ending this bash: then only its real end will tell. After the word
        # `exit` it is none; when bash has left the cell's file already, it may be.
        if [[ $__vb_way == trap && $__vb_last =~ ^(builtin )?exit( |$) ]]; then
            __vb_way=exit
        elif [[ $__vb_way == trap && $__vb_last == 'builtin . '* ]]; then
            __vb_way=left
        fi
        builtin printf '\n%s end\n%s %s\n' "$__vb_mark" "$__vb_status" "$__vb_way"
    } >>"$__vb_cell/state"

    # After the start-up files a fifo tells the manager, who does not watch that bash as it watches a cell's.
    [[ $__vb_way != startup ]] || builtin printf . >"$__vb_cell/ready"

    # Stopped, this bash is the manager's: it is killed now, or continued for one of two reasons.
    builtin kill -STOP $$

    builtin unset -v HISTFILE
    if [[ ! -e $__vb_cell/go ]]; then
        # As the keeper: background jobs live as long as their session's leader does, since its end would hang up their
        # terminal. It collects what dies, and is killed when nothing is left. Its `read` never returns: the fifo has
        # no writer but itself. It has nothing open besides its terminal, or a pipe that the next cell closes would not
        # end. For `exec` it takes the posix mode, in which no function of the user's is before it.
        builtin trap '' HUP INT QUIT TERM
        builtin set -o posix
        \exec </dev/null
        builtin unset -v GLOBIGNORE
        for __vb_each in /dev/fd/*; do
            [[ -t ${__vb_each##*/} ]] || ((${__vb_each##*/} < 3)) || \eval "\\exec ${__vb_each##*/}<&-"
        done
        while :; do
            builtin wait
            builtin read -r __vb_each <>"$__vb_driver/nothing"
        done
    fi
    # With a file `go`: to end as it would have ended, so that its exit status can be collected.
}
