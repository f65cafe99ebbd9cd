# Says why a cell can not be read: bash's own words, with the column, the line and a caret below the place.
#
# Bash names a line and a token. Which of several such tokens it means, it is asked again: the right one is where the
# text, cut off behind it, is refused for the same reason. Sourced by prepare.sh, with aliases off and in the directory
# of the cell; the shell ends after it, so nothing of the user's must be spared. In English, or the words were not known.
{
    # What bash has against a text; nothing if it is complete.
    __vb_refusal_of() (
        [[ :$__vb_shopts: != *:expand_aliases:* ]] || builtin shopt -s expand_aliases
        builtin eval $'builtin set -n\n'"$1" 2>&1
    )

    # What stands before a line, into __vb_before. Bash counts lines from 1, and so do we; its arrays count from 0.
    __vb_take_before() {
        __vb_before=''
        (($1 < 2)) || builtin printf -v __vb_before '%s\n' "${__vb_lines[@]:0:$1 - 1}"
    }

    # Bash has been asked often enough, for a text of this size.
    __vb_is_tired() {
        ((++__vb_questions > (${#__vb_before} > 100000 ? 5 : 50)))
    }

    # A quote or bracket is not closed: the last one before which nothing of the kind is missing.
    __vb_find_opening() {
        builtin local open="$1" rest
        case $open in ')') open='(' ;; '}') open='{' ;; ']') open='[' ;; esac
        for ((__vb_line = $2 < ${#__vb_lines[@]} ? $2 : ${#__vb_lines[@]}; __vb_line > 0; __vb_line--)); do
            rest=${__vb_lines[__vb_line - 1]}
            __vb_take_before "$__vb_line"
            while [[ $rest == *"$open"* ]]; do
                ! __vb_is_tired || builtin return
                rest=${rest%"$open"*}
                [[ $(__vb_refusal_of "$__vb_before$rest") == *"looking for matching \`$1'"* ]] && builtin continue
                __vb_column=$((${#rest} + 1))
                builtin return
            done
        done
    }

    # The cell ends too early: the last line before which everything is complete is where that command begins.
    __vb_find_beginning() {
        builtin local blanks
        for ((__vb_line = ${#__vb_lines[@]}; __vb_line > 0; __vb_line--)); do
            [[ ${__vb_lines[__vb_line - 1]} == *[![:blank:]]* ]] || builtin continue
            ((__vb_questions)) || __vb_number=$__vb_line # where it ends; bash would say: one line further
            __vb_take_before "$__vb_line"
            ! __vb_is_tired || builtin return
            [[ ! $(__vb_refusal_of "$__vb_before") ]] || builtin continue
            blanks=${__vb_lines[__vb_line - 1]%%[![:blank:]]*}
            __vb_column=$((${#blanks} + 1))
            __vb_message+='; the command that begins here is not complete'
            builtin return
        done
    }

    # Anything else: the first such token behind which bash says the same. A message without a token is looked for
    # behind each word. Behind a here-document bash names the line on which that ended, so the place may be above.
    __vb_find_token() {
        builtin local token="$1" reason="\`$1'" rest part passed
        [[ $token ]] || token=' ' reason=$__vb_message
        for ((__vb_line = $2; __vb_line > 0; __vb_line--)); do
            rest=${__vb_lines[__vb_line - 1]} passed=''
            [[ $token != newline ]] || { __vb_column=$((${#rest} + 1)) && builtin return; }
            [[ $token != ' ' ]] || rest+=' '
            __vb_take_before "$__vb_line"
            while [[ $rest == *"$token"* ]]; do
                ! __vb_is_tired || builtin return
                part=${rest%%"$token"*}
                passed+=$part$token rest=${rest:${#part}+${#token}}
                [[ $(__vb_refusal_of "$__vb_before$passed") == *"$reason"* ]] || builtin continue
                [[ $token != ' ' ]] || token="$part "
                __vb_column=$((${#passed} - ${#token} + 1))
                builtin return
            done
        done
    }

    # The message, with the place if it was found: of a long line only what is around it.
    __vb_show() {
        builtin local text="${__vb_lines[__vb_line - 1]}" at=$((__vb_column - 1)) before='' margin
        if [[ ! $__vb_column ]]; then
            builtin printf -v __vb_message '%s: line %d: %s' "$__vb_label" "$__vb_number" "$__vb_message"
            builtin return
        fi
        ((at < 80)) || { before=... text=${text:at - 60} at=60; }
        ((${#text} <= 120)) || text=${text:0:120}...
        margin=$before${text:0:at}
        builtin printf -v __vb_message '%s: line %d, column %d: %s\n%s\n%s^' "$__vb_label" "$__vb_line" "$__vb_column" \
            "$__vb_message" "$before$text" "${margin//[!$'\t']/ }"
    }

    [[ $__vb_check != extglob ]] || builtin shopt -s extglob
    builtin shopt -u nocasematch
    IFS=$' \t\n'
    [[ ! ${LC_ALL-} ]] || { LC_CTYPE=$LC_ALL && builtin unset -v LC_ALL; }
    LANGUAGE='' LC_MESSAGES=C
    __vb_message='' __vb_token='' __vb_number=0 __vb_line=0 __vb_column='' __vb_questions=0

    # The cell without our opening, which is a part of its first line, for messages that show that line.
    builtin read -r -d '' __vb_opening <"$__vb_driver/opening.sh" || builtin :
    builtin mapfile -t __vb_lines <"$__vb_label"
    __vb_lines[0]=${__vb_lines[0]#"$__vb_opening"}
    builtin printf '%s\n' "${__vb_lines[@]}" >|unread

    while builtin read -r __vb_each; do
        __vb_each=${__vb_each#./unread: }
        [[ ! $__vb_each =~ ^line\ ([0-9]+):\ (.*) ]] || { __vb_number=${BASH_REMATCH[1]} __vb_each=${BASH_REMATCH[2]}; }
        [[ $__vb_each != \`* && $__vb_each ]] || builtin continue # the source line, which is shown below
        __vb_message+=${__vb_message:+; }$__vb_each
        [[ ! $__vb_each =~ \`(.+)\' ]] || __vb_token=${BASH_REMATCH[1]}
    done <<<"$(
        [[ :$__vb_shopts: != *:expand_aliases:* ]] || builtin shopt -s expand_aliases
        builtin trap '\builtin set -n' DEBUG # as in prepare.sh
        builtin . ./unread 2>&1
    )"
    case $__vb_message in
        '') ;;
        *'looking for matching'*) __vb_find_opening "$__vb_token" "$__vb_number" ;;
        *'unexpected end of file'*) __vb_find_beginning ;;
        *) __vb_find_token "$__vb_token" "$__vb_number" ;;
    esac
    [[ ! $__vb_message ]] || __vb_show
}
