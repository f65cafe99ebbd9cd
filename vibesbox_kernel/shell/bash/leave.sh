# The cell has come to its end by itself.
#
# If the EXIT trap is ours, nothing can change the exit status any more: it is announced first of all, for who waits for
# the cell need not wait for the state. If the cell has set one of its own, ours is gone: put it back, and let cell.sh run
# the user's commands first, with the cell's status in $?. Otherwise exit now, while the output is still turned off (xtrace
# would show the `exit`).
{
    __vb_status=$? __vb_way=end
    # The builtins may be disabled as yet, and `set -e` is in force: `[[` is no builtin.
    \builtin trap -p EXIT >|"$__vb_cell/exit-trap" || [[ - ]]
    \builtin read -r -d '' __vb_goodbye <"$__vb_cell/exit-trap" || [[ - ]]
    [[ $__vb_goodbye != "trap -- '{ __vb_status="* || ! $__vb_announcements ]] || {
        \builtin printf '%s %s\n' "$__vb_mark" "$__vb_status" >>"$__vb_announcements" && __vb_announcements='' || [[ - ]]
    }
    \builtin enable -n >|"$__vb_cell/disabled"
    \builtin enable "${__vb_builtins[@]}"
    [[ $- != *v* ]] || __vb_verbose=yes # finish.sh notes it; now it would show the trap's text
    \builtin set +v
    if [[ $__vb_goodbye != "trap -- '{ __vb_status="* ]]; then
        # Once more: what it takes may have been disabled.
        \builtin trap -p EXIT >|"$__vb_cell/exit-trap"
        \builtin read -r -d '' __vb_goodbye <"$__vb_cell/exit-trap" || \builtin :
        \builtin trap -- "$__vb_trap" EXIT
    fi
    if [[ -z $__vb_goodbye || $__vb_goodbye == "trap -- '{ __vb_status="* ]]; then
        [[ ! $__vb_announcements ]] || \builtin printf '%s %s\n' "$__vb_mark" "$__vb_status" >>"$__vb_announcements"
        \builtin exit "$__vb_status"
    fi
    \builtin eval "__vb_goodbye=(${__vb_goodbye#trap -- })"
    [[ ! $__vb_wraps ]] || __vb_goodbye=$__vb_theirs # without ours, which exit-trap.sh has put behind it
    \builtin return "$__vb_status"
}
