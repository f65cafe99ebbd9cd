# What another shell makes of itself when it has written down its state: `bash -p THIS DRIVER CELL STATUS`. It stops, and
# then ends with that status or is the keeper of what its cell has left running (see finish.sh).
{
    kill -STOP $$
    [[ ! -e $2/go ]] || exit "$3"
    trap '' HUP INT QUIT TERM
    exec </dev/null
    while :; do
        wait
        read -r line <>"$1/nothing"
    done
}
