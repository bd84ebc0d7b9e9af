#compdef PROGRAM
# zsh completion of PROGRAM
_PROGRAM() {
    local line directive=0 tab=$'\t'
    local -a candidates lines
    lines=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${lines[@]}"; do
        if [[ $line == :<-> ]]; then
            directive=${line#:}
        elif [[ $line == *$tab* ]]; then
            candidates+=("${${line%%$tab*}//:/\\:}:${line#*$tab}")
        elif [[ -n $line ]]; then
            candidates+=("${line//:/\\:}")
        fi
    done
    # Of --flag=value only the value is completed.
    [[ $words[CURRENT] == -*=* ]] && compset -P '*='
    if ((${#candidates})); then
        _describe 'candidates' candidates
    elif ((!(directive & 4))); then
        _files
    fi
}
# Loaded from a folder of functions this file is the function itself.
if [[ ${funcstack[1]} == _PROGRAM ]]; then
    _PROGRAM "$@"
fi
compdef _PROGRAM PROGRAM
