# fish completion for artac: asks artac itself, and evaluates nothing of what it answers.

function __artac_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    for line in (command artac __complete $before[2..] "$typed" 2>/dev/null)
        switch $line
            case ':directory' ':file'
                set -l option (string match -r -- '^--[^=]*=' $typed)
                set -l path (string replace -r -- '^--[^=]*=' '' $typed)
                set -l paths (__fish_complete_path $path)
                test $line = ':file'; or set paths (__fish_complete_directories $path)
                for path in $paths
                    echo -- "$option$path"
                end
            case '*'
                echo -- $line
        end
    end
end

complete -c artac -f -a '(__artac_complete)'
