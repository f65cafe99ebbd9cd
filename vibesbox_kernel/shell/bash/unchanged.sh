# Whether functions are as they were: then only those that are not of the library are written down.
#
# A function of the library that is defined once more begins in another file, or in another line of it; and all
# functions have to be the same by name, exported, traced and read-only ones among them. (To list all functions takes
# bash the square of their number, so that is done once.)
{
    builtin shopt -s extdebug
    builtin declare -F "${__vb_functions[@]}" >|"$__vb_cell/list-now"
    builtin shopt -u extdebug
    builtin declare -F >|"$__vb_cell/known-now"
    builtin mapfile -d '' -t __vb_then <"$__vb_library/list"
    builtin mapfile -d '' -t __vb_now <"$__vb_cell/list-now"
    builtin mapfile -d '' -O 1 -t __vb_then <"$__vb_cell/known"
    builtin mapfile -d '' -O 1 -t __vb_now <"$__vb_cell/known-now"
    if [[ ${__vb_then[0]} && ${__vb_then[0]} == "${__vb_now[0]}" && ${__vb_then[1]} == "${__vb_now[1]}" ]]; then
        __vb_unchanged=yes
    fi
    builtin unset -v __vb_functions __vb_now __vb_then
}
