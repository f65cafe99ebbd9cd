# What the answers of the side bash share.

# __vb_say FIELD...
__vb_say() {
    if (($#)); then
        builtin printf '%s\0' "$#" "$@" >&249
    else
        builtin printf '0\0' >&249
    fi
}

# __vb_check FILE [extglob]: read a script without running it; says the status and what bash has to say of it.
#
# A shell under `set -n` would not even begin to source; but a DEBUG trap runs when that has been decided.
__vb_check() {
    builtin local __vb_status __vb_messages
    (
        [[ $2 || ! $__vb_extglob_off ]] || builtin shopt -u extglob
        LC_ALL=C
        builtin trap '\builtin set -n' DEBUG
        builtin . "$1"
    ) 2>|"$__vb_directory/messages"
    __vb_status=$?
    builtin read -r -d '' __vb_messages <"$__vb_directory/messages"
    __vb_say "$__vb_status" "$__vb_messages"
}
