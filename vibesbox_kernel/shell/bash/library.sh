# Functions that a bash reads before there is a state for it: see function_library.py.
#
# `list` says of each in which line of which file it begins. What is still the same at the end of the cell need not be
# written down.
{
    builtin shopt -u sourcepath
    builtin shopt -s extglob # their patterns may be of any kind
    builtin . functions
    builtin mapfile -t __vb_functions <"$__vb_library/names"
    if [[ ! -e $__vb_library/list ]]; then
        builtin shopt -s extdebug # or `declare -F` would name them only
        builtin declare -F "${__vb_functions[@]}" >|"$__vb_library/list"
        builtin shopt -u extdebug
    fi
}
