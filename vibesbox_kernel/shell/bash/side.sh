# Answers questions about code: `bash side.sh FILE...`, in a directory that holds
#   restore.sh, functions   the state that it knows (see restore.py)
#   requests, answers       two fifos
# The files are where the package bash-completion may be.
#
# A request is a number and so many fields, each ended by NUL: a function of one of the texts and its arguments,
# or `take-on FILE`. What is said to it are lists of the same form; one without fields is the last. It has no terminal,
# and end of file means that it is not wanted any more.
#
# Everything is in one group, so that it is read before the user's aliases are there, and every builtin is called by
# `builtin`: users define functions named cd, exit and printf.
{
    exec 248<requests 249>answers </dev/null >/dev/null 2>&1
    __vb_directory=$PWD
    __vb_package_files=("$@")
    builtin . ./help.sh
    builtin . ./completion.sh
    builtin . ./inspection.sh
    builtin . ./restore.sh
    builtin unset -v HISTFILE COLUMNS LINES
    builtin shopt -q extglob && __vb_extglob_off='' || __vb_extglob_off=yes
    builtin shopt -s extglob progcomp
    # With these a completion's own patterns may vanish or fail; nobody completes by them.
    builtin shopt -u nullglob failglob
    __vb_prepare_completion

    while builtin read -r -d '' -t 99999999 -u 248 __vb_count; do
        __vb_request=()
        while ((__vb_count-- > 0)); do
            IFS= builtin read -r -d '' -u 248 __vb_each || builtin exit 0
            __vb_request+=("$__vb_each")
        done
        if [[ ${__vb_request[0]} == take-on ]]; then
            builtin . "${__vb_request[1]}" # here, because in a function its variables would be local
        else
            "${__vb_request[@]}"
        fi
        __vb_say
    done
    builtin exit 0
}
