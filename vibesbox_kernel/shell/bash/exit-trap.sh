# For a cell that sets an EXIT trap: its own takes the place of ours, and leaving by `exit`, by `set -e` or by a signal
# would leave no state behind. So ours is put behind it. Only such cells have this function, and none that sets a trap on
# DEBUG, ERR or RETURN, which a function can not do for its caller (see exit_trap.py). Aliases may be on here.
function trap {
    { \builtin local - __vb_all; \builtin set +euvx; } 2>/dev/null
    \builtin trap "$@" || \builtin return
    [[ $BASHPID == "$$" ]] || \builtin return 0
    \builtin trap -p EXIT >|"$__vb_cell/exit-trap"
    \builtin read -r -d '' __vb_all <"$__vb_cell/exit-trap" || \builtin :
    if [[ ! $__vb_all ]]; then
        \builtin unset -v __vb_theirs
        \builtin trap -- "$__vb_trap" EXIT
    elif [[ $__vb_all != "trap -- '{ __vb_status="* && $__vb_all != "trap -- '{ __vb_left="* ]]; then
        \builtin eval "__vb_theirs=(${__vb_all#trap -- })"
        \builtin trap -- "{ __vb_left=\$? __vb_xtrace=\${-//[!x]}; \\builtin set +x; } 2>/dev/null
if ((__vb_left)); then __vb_with \"\$__vb_left\" || \\builtin eval \"\$__vb_theirs\"
else \\builtin :; \\builtin eval \"\$__vb_theirs\"; fi
$__vb_trap" EXIT
    fi
    \builtin return 0
}
__vb_with() { \builtin return "$1"; }
__vb_wraps=yes
