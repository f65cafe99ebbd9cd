# What the bash of one cell runs: `bash -c THIS bash DRIVER_DIRECTORY CELL_DIRECTORY` (comments are taken out before).
# It is one group, so that it is read to its end before anything in it runs: aliases and `set -v` of the
# user's state do not reach it.
{
builtin . "$1/prepare.sh"
builtin . -- "$__vb_label"
{ builtin . "$__vb_driver/leave.sh"; } >/dev/null 2>&1 && builtin :
builtin eval "$__vb_goodbye"
builtin exit "$__vb_status"
}
