# fish completion of PROGRAM
function __PROGRAM_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l head (string match -r -- '^-[^=]*=' $current)
    set -l directive 0
    set -l found 0
    for line in ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        if string match -qr -- '^:[0-9]+$' $line
            set directive (string sub -s 2 -- $line)
        else
            set found 1
            printf '%s%s\n' "$head" $line
        end
    end
    if test $found -eq 0 -a $directive -ne 4
        __fish_complete_path $current
    end
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
