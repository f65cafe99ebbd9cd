# Says why a cell can not be read: bash's own words, with the column, the line and a caret below the place.
#
# Bash names a line and a token. Which of several such tokens it means, it is asked again: the right one is where the
# text, cut off behind it, is refused for the same reason. Sourced by prepare.sh, in whose directory the cell lies; the
# shell ends after it, so nothing of the user's must be spared. In English, for only then the words are known.
{
    [[ $__vb_check != extglob ]] || builtin shopt -s extglob
    builtin shopt -u nocasematch
    IFS=$' \t\n'
    [[ ! ${LC_ALL-} ]] || { LC_CTYPE=$LC_ALL; builtin unset -v LC_ALL; }
    LANGUAGE='' LC_MESSAGES=C

    builtin read -r -d '' __vb_opening <"$__vb_driver/opening.sh" || builtin :
    builtin mapfile -t __vb_lines <"$__vb_label"
    __vb_lines[0]=${__vb_lines[0]#"$__vb_opening"}

    # $__vb_refusal: what bash has against $__vb_text; empty if it is complete.
    __vb_ask='__vb_refusal=$( { builtin trap "\builtin set -n" DEBUG; builtin eval "$__vb_text"; } 2>&1 )'
    # The part of the cell before line $__vb_row (counted from 0).
    __vb_take_before='builtin printf -v __vb_text "%s\n" "${__vb_lines[@]:0:__vb_row}"; ((__vb_row)) || __vb_text=""'

    builtin printf '%s\n' "${__vb_lines[@]}" >|unread # without our opening, which is a part of the first line
    __vb_refusal=$( { builtin trap '\builtin set -n' DEBUG; builtin . ./unread; } 2>&1 )
    __vb_message='' __vb_token='' __vb_number=0
    while builtin read -r __vb_each; do
        __vb_each=${__vb_each#./unread: }
        [[ ! $__vb_each =~ ^line\ ([0-9]+):\ (.*) ]] || { __vb_number=${BASH_REMATCH[1]} __vb_each=${BASH_REMATCH[2]}; }
        [[ $__vb_each != \`* && $__vb_each ]] || continue # the source line, which is shown below
        __vb_message+=${__vb_message:+; }$__vb_each
        [[ ! $__vb_each =~ \`(.+)\' ]] || __vb_token=${BASH_REMATCH[1]}
    done <<<"$__vb_refusal"

    __vb_row=$((__vb_number - 1)) __vb_column=''
    case $__vb_message in
        *'unexpected EOF while looking for matching'*)
            # From the end, the first opening before which nothing of the kind is missing.
            __vb_reason="looking for matching \`$__vb_token'"
            case $__vb_token in ')') __vb_token='(' ;; '}') __vb_token='{' ;; ']') __vb_token='[' ;; esac
            ((__vb_row < ${#__vb_lines[@]})) || __vb_row=$((${#__vb_lines[@]} - 1))
            for ((__vb_tries = 0; __vb_row >= 0 && __vb_tries < 50; __vb_row--)); do
                __vb_rest=${__vb_lines[__vb_row]}
                builtin eval "$__vb_take_before"
                __vb_before=$__vb_text
                while [[ $__vb_rest == *"$__vb_token"* ]] && ((__vb_tries++ < 50)); do
                    __vb_rest=${__vb_rest%"$__vb_token"*}
                    __vb_text=$__vb_before$__vb_rest
                    builtin eval "$__vb_ask"
                    [[ $__vb_refusal == *"$__vb_reason"* ]] || { __vb_column=$((${#__vb_rest} + 1)); break 2; }
                done
            done
            ;;
        *'unexpected end of file'*)
            # From the end, the first line before which everything is complete: there it began.
            for ((__vb_row = ${#__vb_lines[@]} - 1, __vb_tries = 0; __vb_row >= 0 && __vb_tries < 100; __vb_row--)); do
                [[ ${__vb_lines[__vb_row]} == *[![:blank:]]* ]] && ((++__vb_tries)) || continue
                ((__vb_tries > 1)) || __vb_number=$((__vb_row + 1)) # the last line that is there
                builtin eval "$__vb_take_before"
                ((${#__vb_text} < 100000)) || break
                builtin eval "$__vb_ask"
                [[ ! $__vb_refusal ]] || continue
                __vb_rest=${__vb_lines[__vb_row]%%[![:blank:]]*}
                __vb_column=$((${#__vb_rest} + 1))
                __vb_message+='; the command that begins here is not complete'
                break
            done
            ;;
        *)
            # From the line's beginning, the first such token behind which bash says the same; a message that names no
            # token is tried behind each word. Behind a here-document bash names the line on which that ended.
            __vb_reason="\`$__vb_token'"
            [[ $__vb_token ]] || __vb_token=' ' __vb_reason=$__vb_message
            for ((__vb_tries = 0; __vb_row >= 0 && __vb_tries < 50; __vb_row--)); do
                __vb_rest=${__vb_lines[__vb_row]} __vb_passed=''
                [[ $__vb_token != newline ]] || { __vb_column=$((${#__vb_rest} + 1)); break; }
                [[ $__vb_token != ' ' ]] || __vb_rest+=' '
                builtin eval "$__vb_take_before"
                __vb_before=$__vb_text
                while [[ $__vb_rest == *"$__vb_token"* ]] && ((__vb_tries++ < 50)); do
                    __vb_each=${__vb_rest%%"$__vb_token"*}
                    __vb_passed+=$__vb_each$__vb_token __vb_rest=${__vb_rest:${#__vb_each}+${#__vb_token}}
                    __vb_text=$__vb_before$__vb_passed
                    builtin eval "$__vb_ask"
                    [[ $__vb_refusal == *"$__vb_reason"* ]] || continue
                    [[ $__vb_token != ' ' ]] || __vb_token="$__vb_each "
                    __vb_column=$((${#__vb_passed} - ${#__vb_token} + 1))
                    break 2
                done
            done
            ;;
    esac

    if [[ $__vb_column ]]; then
        __vb_rest=${__vb_lines[__vb_row]} __vb_at=$((__vb_column - 1)) __vb_passed=''
        ((__vb_at < 80)) || { __vb_passed=... __vb_rest=${__vb_rest:__vb_at - 60} __vb_at=60; }
        ((${#__vb_rest} <= 120)) || __vb_rest=${__vb_rest:0:120}...
        __vb_each=$__vb_passed${__vb_rest:0:__vb_at}
        builtin printf -v __vb_message '%s: line %d, column %d: %s\n%s\n%s^' "$__vb_label" "$((__vb_row + 1))" \
            "$__vb_column" "$__vb_message" "$__vb_passed$__vb_rest" "${__vb_each//[!$'\t']/ }"
    elif [[ $__vb_message ]]; then
        builtin printf -v __vb_message '%s: line %d: %s' "$__vb_label" "$__vb_number" "$__vb_message"
    fi
}
