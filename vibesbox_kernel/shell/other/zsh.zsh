# What the zsh of one cell runs: `zsh -f THIS DRIVER_DIRECTORY CELL_DIRECTORY LABEL MARK BASH`.
#
# The cell's directory holds `carried`, what the last zsh cell handed on (missing for the first), and the cell's text
# under its label. It takes `state`, in sections as bash/finish.sh has them. One group, so that it is read to its end
# before anything in it runs; what the user may have redefined is called by `builtin`.
{
    typeset -g __vb_driver=$1 __vb_cell=$2 __vb_label=$3 __vb_mark=$4 __vb_bash=$5
    zmodload zsh/parameter
    set --

    __vb_finish() {
        local __vb_status=${1-$?}
        # Before the options are zsh's own again: what tells of the user's.
        builtin setopt >|$__vb_cell/options
        builtin trap >|$__vb_cell/traps
        builtin typeset -f TRAPINT TRAPTERM >|$__vb_cell/trap-functions || : # which `trap` takes away
        builtin emulate -LR zsh
        builtin zmodload zsh/parameter
        builtin trap '' INT TERM
        unfunction __vb_finish
        zshexit_functions=(${zshexit_functions:#__vb_finish})
        (( ${#zshexit_functions} )) || builtin unset zshexit_functions
        local __vb_name __vb_line
        # The names of variables that are written nowhere.
        if [[ -r $__vb_cell/secrets ]]; then
            while builtin read -r __vb_name; do
                builtin typeset +r -g $__vb_name
                builtin unset $__vb_name
            done <$__vb_cell/secrets
        fi
        {
            builtin print -r -- $'\n'"$__vb_mark directory"
            builtin pwd -L
            builtin print -r -- $'\n'"$__vb_mark variables"
            for __vb_name in ${(ko)parameters}; do
                case $__vb_name:$parameters[$__vb_name] in
                    (__vb_*|ZSH_*|PWD:*|OLDPWD:*|SHLVL:*|TTY:*|signals:*|VIBESBOX_*|*:*local*) ;;
                    (*:*readonly*special*|*:*hide*) ;;
                    (*:scalar*export*special*) builtin print -r -- "export $__vb_name=${(qqqq)${(P)__vb_name}}" ;;
                    (fpath:*|cdpath:*|IFS:*|WORDCHARS:*|NULLCMD:*|READNULLCMD:*) builtin typeset -p $__vb_name ;;
                    (*:*special*) ;;
                    (*) builtin typeset -p $__vb_name ;;
                esac
            done
            builtin print -r -- $'\n'"$__vb_mark early"
            while builtin read -r __vb_line; do
                [[ $__vb_line == (errexit|errreturn|nounset|norcs|shinstdin|xtrace|verbose|noexec|privileged|monitor) ]] ||
                    builtin print -r -- "setopt $__vb_line"
            done <$__vb_cell/options
            builtin print -r -- $'\n'"$__vb_mark late"
            builtin print -r -- "umask $(builtin umask)"
            builtin typeset -f
            builtin print -r -- "$(<$__vb_cell/trap-functions)"
            builtin alias -L
            builtin alias -sL
            builtin hash -dL
            while builtin read -r __vb_line; do
                [[ $__vb_line != (errexit|errreturn|nounset) ]] || builtin print -r -- "setopt $__vb_line"
            done <$__vb_cell/options
            builtin print -r -- "OLDPWD=${(qqqq)OLDPWD}"
            builtin print -r -- $'\n'"$__vb_mark traps-of-zsh"
            builtin print -r -- "$(<$__vb_cell/traps)"
            builtin print -r -- $'\n'"$__vb_mark end"$'\n'"$__vb_status end"
        } >>|$__vb_cell/state
        builtin exec $__vb_bash -p $__vb_driver/keep.sh $__vb_driver $__vb_cell $__vb_status
    } 2>/dev/null

    typeset -ga zshexit_functions
    zshexit_functions+=(__vb_finish)
    # With errexit zsh leaves without these functions, but not without its trap.
    trap '__vb_status=$?; [[ ! -o errexit ]] || __vb_finish $__vb_status' EXIT
    # What a signal ends hands its state on, too; a handler of the user's own takes the place of ours.
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [[ -r $__vb_cell/carried ]]; then
        builtin source $__vb_cell/carried
    elif [[ -r ${ZDOTDIR-$HOME}/.zshenv ]]; then
        builtin source ${ZDOTDIR-$HOME}/.zshenv
    fi
    __vb_old=${OLDPWD-}
    builtin cd -q -- $__vb_cell
    builtin source $__vb_label
}
