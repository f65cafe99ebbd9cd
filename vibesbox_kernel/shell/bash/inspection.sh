# What is known of a word. Said in pairs: a heading and a text.

# __vb_describe DIRECTORY variable|command|argument NAME
__vb_describe() {
    builtin cd -- "$1" || builtin return
    (
        LC_MESSAGES=C
        "__vb_describe_$2" "$3"
    )
}

# __vb_tell HEADING COMMAND...: what a command writes.
__vb_tell() {
    builtin local __vb_text
    __vb_text=$("${@:2}")
    [[ ! $__vb_text ]] || __vb_say "$1" "$__vb_text"
}

__vb_describe_variable() {
    [[ $1 != __vb_* ]] || builtin return
    __vb_tell "Variable $1" builtin declare -p "$1"
}

__vb_describe_command() {
    builtin local __vb_kind
    while builtin read -r __vb_kind; do
        case $__vb_kind in
        alias) __vb_tell "Alias $1" builtin alias -- "$1" ;;
        function) __vb_tell "Function $1" builtin declare -f -- "$1" ;;
        keyword | builtin) __vb_tell "Shell $__vb_kind $1" builtin help "$1" ;;
        esac
    done < <(builtin type -at -- "$1" | LC_ALL=C command -p uniq)
    __vb_describe_program "$1"
}

__vb_describe_program() {
    builtin local __vb_paths __vb_name="${1##*/}"
    __vb_paths=$(builtin type -aP -- "$1")
    [[ $__vb_paths ]] || builtin return
    # An alias for a path is followed by what it is. `whatis` looks into a database and runs nothing of the program's.
    __vb_say "Program $__vb_name" "$__vb_paths"$'\n'"$(LC_ALL=C command -p whatis -- "$__vb_name" 2>/dev/null)"
}

# An argument may be the name of anything; what is a file is a file.
__vb_describe_argument() {
    builtin local __vb_path="${1/#'~/'/"$HOME/"}"
    if [[ -e $__vb_path || -L $__vb_path ]]; then
        __vb_tell "File $1" __vb_describe_file "$__vb_path"
    elif builtin declare -F -- "$1" >/dev/null || [[ ${BASH_ALIASES[$1]-} ]]; then
        __vb_describe_command "$1"
    elif [[ $1 == [A-Za-z_]*([A-Za-z0-9_]) ]]; then
        __vb_describe_variable "$1"
    fi
}

__vb_describe_file() {
    command -p ls -ld -- "$1"
    command -p file -b -- "$1" 2>/dev/null
}
