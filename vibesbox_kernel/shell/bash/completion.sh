# What can stand at the cursor. Where the cursor is has been found out before (command_scanner.py), and quotes are put
# around what is said here afterwards (completion.py).
#
# A candidate is said with a letter before it: a(lias), b(uiltin), c(ommand), d(irectory), f(ile), F(unction),
# k(eyword), u(ser), v(ariable), w(ord).

# Without the package bash-completion: what bash can complete by itself.
__vb_plain_completions() {
    builtin complete -A directory cd pushd rmdir mkdir
    builtin complete -A variable export readonly unset local declare typeset read getopts printenv
    builtin complete -A function -A variable unset
    builtin complete -A alias alias unalias
    builtin complete -A helptopic help
    builtin complete -A signal trap kill
    builtin complete -A shopt shopt
    builtin complete -A setopt set
    builtin complete -A builtin builtin
    builtin complete -A enabled enable
    builtin complete -A command type which whereis man hash complete
    builtin complete -A user su id groups
    builtin complete -A group chgrp
    builtin complete -A hostname ping host
    builtin complete -A hostname -o default ssh scp
}

__vb_prepare_completion() {
    builtin local __vb_file
    # A start-up file may have loaded it: then it is part of the state.
    builtin complete -p -D && builtin return
    for __vb_file in "${__vb_package_files[@]}"; do
        [[ -r $__vb_file ]] && builtin . "$__vb_file" && builtin return
    done
    __vb_plain_completions
}

# What completion functions call. At a prompt bash knows which completion is under way; here it has to be noted.
compopt() {
    while (($#)); do
        case $1 in
        -o) __vb_options+=" $2" && builtin shift 2 ;;
        +o) __vb_options=${__vb_options// $2/} && builtin shift 2 ;;
        *) builtin shift ;;
        esac
    done
}

# At a prompt `compgen -f` takes off the quotes that completion functions have put on; elsewhere it does not. Only where
# there are quotes to take off: the positional parameters that a word list may name are the function's otherwise.
__vb_take_off_quotes() {
    compgen() {
        builtin local __vb_each
        for __vb_each; do
            if [[ $__vb_each == -[fd] ]]; then
                builtin compgen "${@:1:$#-1}" "${!#//\\/}"
                builtin return
            fi
        done
        builtin compgen "$@"
    }
}

# __vb_complete LIMIT DIRECTORY PLACE NUMBER PIECE... [LINE WORD...]
#
# The pieces make up what is to be completed: `=TEXT`, `$NAME` of a variable, `~USER`. An argument's line and words are
# COMP_LINE and COMP_WORDS, without the last word's text, which is appended.
__vb_complete() {
    builtin local __vb_limit="$1" __vb_place="$3" __vb_number="$4" __vb_text='' __vb_options=''
    builtin cd -- "$2" || builtin return
    builtin shift 4
    while ((__vb_number-- > 0)); do
        __vb_expand "$1"
        builtin shift
    done
    if [[ $__vb_place == argument ]]; then
        COMP_LINE=$1$__vb_text COMP_WORDS=("${@:2}")
        ((${#__vb_text} == 0)) || COMP_WORDS[${#COMP_WORDS[@]} - 1]+=$__vb_text
        __vb_find_specification
    fi
    (
        __vb_found=()
        "__vb_complete_$__vb_place"
        __vb_say "$__vb_options" "$__vb_text" "${__vb_found[@]:0:__vb_limit}"
    )
}

__vb_expand() {
    builtin local __vb_value="${1:1}"
    case $1 in
    '='*) __vb_text+=$__vb_value ;;
    '$'*) __vb_text+=${!__vb_value} ;;
    '~') __vb_text+=$HOME ;;
    '~'*) [[ $1 == *[!A-Za-z0-9._~-]* ]] || builtin eval "__vb_text+=$1" ;;
    esac
}

# __vb_collect LETTER ACTION...: pairs. In one fork for all, which is most of what they cost.
__vb_collect() {
    builtin mapfile -t __vb_found < <(
        while (($#)); do
            builtin compgen -A "$2" -P "$1" -- "$__vb_text"
            builtin shift 2
        done
    )
}

__vb_complete_command() {
    if [[ $__vb_text == */* ]]; then
        __vb_complete_file
    else
        __vb_collect a alias F function k keyword b builtin c command
    fi
}

__vb_complete_variable() { __vb_collect v variable; }

__vb_complete_user() {
    __vb_text=${__vb_text#\~}
    __vb_collect u user
}

__vb_complete_file() {
    builtin local __vb_files
    builtin mapfile -t __vb_files < <(builtin compgen "${@:--f}" -- "$__vb_text")
    __vb_options+=' filenames'
    __vb_add_files "${__vb_files[@]}"
}

__vb_add_files() {
    builtin local __vb_file
    for __vb_file; do
        if [[ -d ${__vb_file/#'~/'/"$HOME/"} ]]; then
            __vb_found+=("d$__vb_file")
        else
            __vb_found+=("f$__vb_file")
        fi
    done
}

# How the command's arguments are completed, into __vb_spec; done before the fork, so that what it loads stays loaded.
__vb_find_specification() {
    builtin local __vb_command __vb_alias
    while :; do
        __vb_command=${COMP_WORDS[0]}
        __vb_read_specification "$__vb_command" && builtin return
        __vb_alias=${BASH_ALIASES[$__vb_command]-}
        if [[ $__vb_alias && $__vb_alias != *[\;\|\&\(\)\<\>\$\`\'\"\\]* && $__vb_alias != "$__vb_command"?( *) ]]; then
            COMP_LINE=$__vb_alias${COMP_LINE#"$__vb_command"}
            builtin read -ra __vb_alias <<<"$__vb_alias"
            COMP_WORDS=("${__vb_alias[@]}" "${COMP_WORDS[@]:1}")
            builtin continue
        fi
        __vb_load "$__vb_command" && builtin return
        # A command that runs another, and says nothing of how it is completed.
        [[ $__vb_command == @(sudo|doas|env|nohup|nice|exec|command|builtin|xargs|setsid|stdbuf|strace|eval) ]] || builtin return
        ((${#COMP_WORDS[@]} > 1)) && [[ ${COMP_WORDS[1]} != -* ]] || builtin return
        COMP_LINE=${COMP_LINE#"$__vb_command"+( )} COMP_WORDS=("${COMP_WORDS[@]:1}")
    done
}

# __vb_read_specification ARGUMENT...: of a command, or with -D the one for commands that have none.
__vb_read_specification() {
    builtin local __vb_printed
    __vb_spec=()
    # By a file, which needs no fork.
    builtin complete -p "$@" >|"$__vb_directory/specification" 2>/dev/null || builtin return
    builtin read -r -d '' __vb_printed <"$__vb_directory/specification"
    builtin eval "__vb_spec=($__vb_printed)" # written by bash to be read back by bash
}

__vb_load() {
    builtin local __vb_loader __vb_status __vb_tries=0
    while ((__vb_tries++ < 3)); do
        __vb_read_specification -D || builtin return
        __vb_function_of "${__vb_spec[@]}"
        [[ $__vb_loader ]] || builtin return
        "$__vb_loader" "$1" '' ''
        __vb_status=$?
        __vb_read_specification "$1" || __vb_read_specification "${1##*/}" && builtin return
        ((__vb_status == 124)) || builtin return
    done
    builtin return 1
}

__vb_function_of() {
    __vb_loader=''
    while (($#)); do
        [[ $1 != -F ]] || __vb_loader=$2
        builtin shift
    done
}

__vb_complete_argument() {
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9 COMPREPLY=()
    COMP_WORDBREAKS=$' \t\n"\'@><=;|&(:'
    if ((COMP_CWORD == 0)); then # of a command that runs another
        __vb_complete_command
        builtin return
    fi
    if ((${#__vb_spec[@]} == 0)); then
        __vb_complete_file
        builtin return
    fi
    __vb_follow "${__vb_spec[@]}"
    if ((${#COMPREPLY[@]} == 0)); then
        case " $__vb_options " in
        *' default '* | *' bashdefault '*) __vb_complete_file -f ;;
        *' dirnames '*) __vb_complete_file -d ;;
        esac
    elif [[ " $__vb_options " == *' filenames '* ]]; then
        __vb_add_files "${COMPREPLY[@]}"
    else
        __vb_found+=("${COMPREPLY[@]/#/w}")
    fi
    [[ " $__vb_options " != *' plusdirs '* ]] || __vb_complete_file -d
}

# __vb_follow complete OPTION... COMMAND: fill COMPREPLY as this specification says.
__vb_follow() {
    builtin local __vb_function='' __vb_program='' __vb_generators __vb_previous=''
    __vb_generators=()
    ((COMP_CWORD == 0)) || __vb_previous=${COMP_WORDS[COMP_CWORD - 1]}
    builtin shift
    while (($# > 1)); do
        case $1 in
        -o) __vb_options+=" $2" && builtin shift ;;
        -F) __vb_function=$2 && builtin shift ;;
        -C) __vb_program=$2 && builtin shift ;;
        -[AGWXPS]) __vb_generators+=("$1" "$2") && builtin shift ;;
        --) ;;
        -[fd]) __vb_options+=' filenames' && __vb_generators+=("$1") ;;
        *) __vb_generators+=("$1") ;;
        esac
        builtin shift
    done
    if ((${#__vb_generators[@]})); then
        builtin mapfile -t COMPREPLY < <(builtin compgen "${__vb_generators[@]}" -- "$__vb_text")
    fi
    if [[ $__vb_function ]]; then
        [[ $__vb_text != *[!A-Za-z0-9_./=:@%+,~-]* ]] || __vb_take_off_quotes
        "$__vb_function" "${COMP_WORDS[0]}" "$__vb_text" "$__vb_previous" 249>&-
    elif [[ $__vb_program ]]; then
        builtin export COMP_LINE COMP_POINT COMP_KEY COMP_TYPE
        builtin mapfile -t COMPREPLY < <(builtin eval "$__vb_program" '"${COMP_WORDS[0]}" "$__vb_text" "$__vb_previous"' 249>&-)
    fi
}
