# The first state: what an interactive bash knows after the user's start-up files.
#
# Used as the --rcfile of one `bash -i`. Bash itself has read the system's file before; the user's is read here, so that
# what comes after it is ours. Without start-up files it is an ordinary script of a bash that is not interactive. The
# environment names the directories, and the mark of the state that is wanted.
{
    builtin export -n __vb_driver __vb_cell __vb_mark __vb_rc_files
    \exec 250<&-
    builtin . "$__vb_driver/common.sh"
    __vb_way=startup
    builtin trap -- "$__vb_trap" EXIT # for an `exit` in the user's file
    [[ ! $__vb_rc_files || ! -r ~/.bashrc ]] || builtin . ~/.bashrc
    # A pager would wait for keys that a notebook cannot give; a start-up file may well have chosen one.
    builtin export PAGER=cat GIT_PAGER=cat MANPAGER=cat SYSTEMD_PAGER=cat TERM=xterm-256color
    builtin eval "$__vb_trap"
}
