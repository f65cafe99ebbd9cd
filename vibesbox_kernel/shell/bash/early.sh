# An interrupt has come before the first command of the cell: end without a state, for nothing has been run.
#
# Until then SIGINT is only noted (in __vb_early): bash would lose it while a fork looks at the cell, and what it would
# hand over is neither the old state nor a new one.
{
    \builtin trap - INT EXIT
    \builtin printf '\n%s end\n130 early\n' "$__vb_mark" >|"$__vb_cell/state"
    \builtin kill -STOP $$
    \builtin exit 130
}
