# The functions of the library, if none of them has changed: they go, and only the others are written down.
#
# A function that is defined once more begins in another file, or in another line of it.
{
    builtin shopt -s extdebug
    builtin declare -F "${__vb_functions[@]}" >|"$__vb_cell/list-now"
    builtin shopt -u extdebug
    builtin . "$__vb_driver/attributes.sh" >|"$__vb_cell/attributes-now"
    builtin mapfile -d '' -t __vb_then <"$__vb_library/list"
    builtin mapfile -d '' -t __vb_now <"$__vb_cell/list-now"
    builtin mapfile -d '' -O 1 -t __vb_then <"$__vb_cell/attributes"
    builtin mapfile -d '' -O 1 -t __vb_now <"$__vb_cell/attributes-now"
    if [[ ${__vb_then[0]} && ${__vb_then[0]} == "${__vb_now[0]}" && ${__vb_then[1]} == "${__vb_now[1]}" ]]; then
        builtin unset -f "${__vb_functions[@]}"
        builtin printf '\n%s kept\n' "$__vb_mark"
    fi
    builtin unset -v __vb_functions __vb_now __vb_then
}
