# bash completion of PROGRAM
_PROGRAM() {
    local line directive=0
    local -a words
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    # Behind a space begins a new, empty word.
    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) directive=${line#:} ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <("${words[0]}" __completeNoDesc "${words[@]:1}" 2>/dev/null)
    if ((directive & 4)) && ((${#COMPREPLY[@]} == 0)); then
        compopt +o default 2>/dev/null
    fi
}
complete -o default -F _PROGRAM PROGRAM
