# SPDX-License-Identifier: Apache-2.0
# fish completion of tl. Made by tl-docs from the command tree: do not edit.

function __tl_sandboxes
    tl sbx ls 2>/dev/null | tail -n +2 | while read -l -d \t id name state rest
        printf '%s\t%s\n' $id $state
        test -n "$name"; and printf '%s\t%s\n' $name $state
    end
end

function __tl_snapshots
    tl sbx checkpoint ls 2>/dev/null | tail -n +2 | while read -l -d \t id state type rest
        printf '%s\t%s\n' $id $type
    end
end

function __tl_images
    tl sbx image ls 2>/dev/null | tail -n +2 | cut -f1
end

# __tl_at PATH [OPERANDS]: the cursor is behind the command PATH and, when given, that many operands.
function __tl_at
    set -l path tl
    set -l operands 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
            continue
        end
        switch $path
            case 'tl'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case sbx
                        set path 'tl sbx'
                    case version
                        set path 'tl version'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case create new
                        set path 'tl sbx create'
                    case ls list
                        set path 'tl sbx ls'
                    case describe info
                        set path 'tl sbx describe'
                    case name
                        set path 'tl sbx name'
                    case exec
                        set path 'tl sbx exec'
                    case run
                        set path 'tl sbx run'
                    case cp
                        set path 'tl sbx cp'
                    case ps
                        set path 'tl sbx ps'
                    case logs
                        set path 'tl sbx logs'
                    case kill
                        set path 'tl sbx kill'
                    case restart
                        set path 'tl sbx restart'
                    case ssh
                        set path 'tl sbx ssh'
                    case pty
                        set path 'tl sbx pty'
                    case tunnel
                        set path 'tl sbx tunnel'
                    case port
                        set path 'tl sbx port'
                    case terminate stop
                        set path 'tl sbx terminate'
                    case suspend
                        set path 'tl sbx suspend'
                    case resume
                        set path 'tl sbx resume'
                    case checkpoint snapshot
                        set path 'tl sbx checkpoint'
                    case copy
                        set path 'tl sbx copy'
                    case update
                        set path 'tl sbx update'
                    case image
                        set path 'tl sbx image'
                    case doctor
                        set path 'tl sbx doctor'
                    case prune
                        set path 'tl sbx prune'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx create'
                switch $word
                    case -c --cpus
                        set skip 1
                    case -m --memory
                        set skip 1
                    case --disk_mb --disk-mb
                        set skip 1
                    case -i --image
                        set skip 1
                    case -s --snapshot
                        set skip 1
                    case -A --network-allow
                        set skip 1
                    case -D --network-deny
                        set skip 1
                    case -x --expose
                        set skip 1
                    case --accel
                        set skip 1
                    case -t --timeout
                        set skip 1
                    case --idle-timeout
                        set skip 1
                    case -e --entrypoint
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx ls'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx describe'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx name'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx exec'
                switch $word
                    case -t --timeout
                        set skip 1
                    case -w --workdir
                        set skip 1
                    case -e --env
                        set skip 1
                    case --user
                        set skip 1
                    case --name
                        set skip 1
                    case --restart
                        set skip 1
                    case --max-restarts
                        set skip 1
                    case --initial-backoff-ms
                        set skip 1
                    case --max-backoff-ms
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                        test $operands -gt 1; and return 1
                end
            case 'tl sbx run'
                switch $word
                    case -c --cpus
                        set skip 1
                    case -m --memory
                        set skip 1
                    case --disk_mb --disk-mb
                        set skip 1
                    case -i --image
                        set skip 1
                    case -s --snapshot
                        set skip 1
                    case -A --network-allow
                        set skip 1
                    case -D --network-deny
                        set skip 1
                    case -x --expose
                        set skip 1
                    case --accel
                        set skip 1
                    case -t --timeout
                        set skip 1
                    case -w --workdir
                        set skip 1
                    case -e --env
                        set skip 1
                    case --user
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                        test $operands -gt 0; and return 1
                end
            case 'tl sbx cp'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx ps'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx logs'
                switch $word
                    case --tail
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx kill'
                switch $word
                    case --signal
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx restart'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx ssh'
                switch $word
                    case -s --shell
                        set skip 1
                    case --shell-arg
                        set skip 1
                    case -w --workdir
                        set skip 1
                    case -e --env
                        set skip 1
                    case --user
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                        test $operands -gt 1; and return 1
                end
            case 'tl sbx pty'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case ls list
                        set path 'tl sbx pty ls'
                    case attach
                        set path 'tl sbx pty attach'
                    case rm delete
                        set path 'tl sbx pty rm'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx pty ls'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx pty attach'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx pty rm'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx tunnel'
                switch $word
                    case -l --local
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx port'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case ls list
                        set path 'tl sbx port ls'
                    case expose
                        set path 'tl sbx port expose'
                    case rm delete
                        set path 'tl sbx port rm'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx port ls'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx port expose'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx port rm'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx terminate'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx suspend'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx resume'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx checkpoint'
                switch $word
                    case --checkpoint-type
                        set skip 1
                    case -t --timeout
                        set skip 1
                    case --name
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case ls list
                        if test $operands -eq 0
                            set path 'tl sbx checkpoint ls'
                        else
                            set operands (math $operands + 1)
                        end
                    case rm delete
                        if test $operands -eq 0
                            set path 'tl sbx checkpoint rm'
                        else
                            set operands (math $operands + 1)
                        end
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx checkpoint ls'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx checkpoint rm'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx copy'
                switch $word
                    case -n
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx update'
                switch $word
                    case -A --network-allow
                        set skip 1
                    case -D --network-deny
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case ls list
                        set path 'tl sbx image ls'
                    case import
                        set path 'tl sbx image import'
                    case describe info
                        set path 'tl sbx image describe'
                    case rm delete
                        set path 'tl sbx image rm'
                    case create build
                        set path 'tl sbx image create'
                    case register
                        set path 'tl sbx image register'
                    case export
                        set path 'tl sbx image export'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image ls'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image import'
                switch $word
                    case -n --name
                        set skip 1
                    case --disk_mb --disk-mb
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image describe'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image rm'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image create'
                switch $word
                    case -n --name
                        set skip 1
                    case -f --file
                        set skip 1
                    case --build-arg
                        set skip 1
                    case --target
                        set skip 1
                    case -c --cpus
                        set skip 1
                    case -m --memory
                        set skip 1
                    case --disk_mb --disk-mb
                        set skip 1
                    case -A --network-allow
                        set skip 1
                    case -D --network-deny
                        set skip 1
                    case --accel
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image register'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx image export'
                switch $word
                    case --tag
                        set skip 1
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx doctor'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl sbx prune'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
            case 'tl version'
                switch $word
                    case --home
                        set skip 1
                    case '-*'
                    case '*'
                        set operands (math $operands + 1)
                end
        end
    end
    test "$path" = "$argv[1]"; and begin
        test (count $argv) -eq 1; or test $operands -eq $argv[2]
    end
end

complete -c tl -f
complete -c tl -n "__tl_at 'tl'" -a sbx -d 'create sandboxes and run commands in them'
complete -c tl -n "__tl_at 'tl'" -a version -d 'print the version'
complete -c tl -n "__tl_at 'tl'" -l version -d 'print the version'
complete -c tl -n "__tl_at 'tl'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx'" -a create -d 'create a sandbox'
complete -c tl -n "__tl_at 'tl sbx'" -a ls -d 'list sandboxes'
complete -c tl -n "__tl_at 'tl sbx'" -a describe -d 'show everything about a sandbox'
complete -c tl -n "__tl_at 'tl sbx'" -a name -d 'give a sandbox a name, or another one'
complete -c tl -n "__tl_at 'tl sbx'" -a exec -d 'run a command in a sandbox'
complete -c tl -n "__tl_at 'tl sbx'" -a run -d 'run one command in a sandbox of its own'
complete -c tl -n "__tl_at 'tl sbx'" -a cp -d 'copy files and folders into, out of and between sandboxes'
complete -c tl -n "__tl_at 'tl sbx'" -a ps -d 'list the processes started by exec'
complete -c tl -n "__tl_at 'tl sbx'" -a logs -d 'show what a detached process has written'
complete -c tl -n "__tl_at 'tl sbx'" -a kill -d 'end a process, or send it a signal'
complete -c tl -n "__tl_at 'tl sbx'" -a restart -d 'start a detached process anew'
complete -c tl -n "__tl_at 'tl sbx'" -a ssh -d 'work in a sandbox, at a terminal'
complete -c tl -n "__tl_at 'tl sbx'" -a pty -d 'list, rejoin and end the terminal sessions of a sandbox'
complete -c tl -n "__tl_at 'tl sbx'" -a tunnel -d 'reach a port of a sandbox from here'
complete -c tl -n "__tl_at 'tl sbx'" -a port -d 'hold ports of a sandbox open here, and list those that are'
complete -c tl -n "__tl_at 'tl sbx'" -a terminate -d 'end sandboxes for good'
complete -c tl -n "__tl_at 'tl sbx'" -a suspend -d 'put a sandbox aside as it is'
complete -c tl -n "__tl_at 'tl sbx'" -a resume -d 'let a suspended sandbox go on'
complete -c tl -n "__tl_at 'tl sbx'" -a checkpoint -d 'keep what a sandbox is now, to make others from it'
complete -c tl -n "__tl_at 'tl sbx'" -a copy -d 'make copies of a sandbox, running processes and all'
complete -c tl -n "__tl_at 'tl sbx'" -a update -d 'change whom a sandbox may speak to'
complete -c tl -n "__tl_at 'tl sbx'" -a image -d 'work with images, the file systems that sandboxes start from'
complete -c tl -n "__tl_at 'tl sbx'" -a doctor -d 'say what this machine offers and what it lacks'
complete -c tl -n "__tl_at 'tl sbx'" -a prune -d 'remove what is not needed any more'
complete -c tl -n "__tl_at 'tl sbx'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx create'" -s c -l cpus -x -d 'CPUs, more than 0 and at most 64; a fraction is a real limit (default 1.0)'
complete -c tl -n "__tl_at 'tl sbx create'" -s m -l memory -x -d 'memory in MB, 1024 to 8192 for each CPU, fractions rounded up (default 1024 for each)'
complete -c tl -n "__tl_at 'tl sbx create'" -l disk_mb -l disk-mb -x -d 'size of the disk in MiB, 10240 to 102400 (default 10240, or the snapshot\'s)'
complete -c tl -n "__tl_at 'tl sbx create'" -s i -l image -x -a '(__tl_images)' -d 'image to start from (default \'default\')'
complete -c tl -n "__tl_at 'tl sbx create'" -s s -l snapshot -x -a '(__tl_snapshots)' -d 'snapshot to start from instead of an image, by ID or name; a memory snapshot has its own CPUs, memory and disk'
complete -c tl -n "__tl_at 'tl sbx create'" -s N -l no-internet -d 'let it reach nobody, not even the resolver'
complete -c tl -n "__tl_at 'tl sbx create'" -s A -l network-allow -x -d 'let it reach only X and its resolver; an IPv4 or IPv6 address, a CIDR block or a host name, may be given several times'
complete -c tl -n "__tl_at 'tl sbx create'" -s D -l network-deny -x -d 'do not let it reach X, even if --network-allow would; may be given several times'
complete -c tl -n "__tl_at 'tl sbx create'" -s x -l expose -x -d 'hold this port of the sandbox open on 127.0.0.1 here (see \'tl sbx port\'); may be given several times'
complete -c tl -n "__tl_at 'tl sbx create'" -l accel -x -a 'auto kvm tcg' -d 'what runs the machine: kvm is hardware virtualization, tcg is software emulation (default auto: the best that works)'
complete -c tl -n "__tl_at 'tl sbx create'" -l no-template -d 'boot in any case, rather than go on from a machine that was saved when it had just booted'
complete -c tl -n "__tl_at 'tl sbx create'" -s t -l timeout -x -d 'SECS seconds after the sandbox started or was resumed, suspend it, or terminate it when it has no name; 0 is never (the default)'
complete -c tl -n "__tl_at 'tl sbx create'" -l idle-timeout -x -d 'the same, SECS seconds after it was last used; 0 is never (the default)'
complete -c tl -n "__tl_at 'tl sbx create'" -s e -l entrypoint -x -d 'a command to start with the sandbox, a word at a time: the process \'entrypoint\' of \'tl sbx ps\' and \'tl sbx logs\' (default: what the image says)'
complete -c tl -n "__tl_at 'tl sbx create'" -s n -l no-wait -d 'do not wait until the sandbox takes commands'
complete -c tl -n "__tl_at 'tl sbx create'" -l json -d 'print the sandbox as JSON'
complete -c tl -n "__tl_at 'tl sbx create'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx create'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx create'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx ls'" -s a -l all -d 'terminated ones too'
complete -c tl -n "__tl_at 'tl sbx ls'" -s r -l running -d 'only running ones'
complete -c tl -n "__tl_at 'tl sbx ls'" -s s -l suspended -d 'only suspended ones'
complete -c tl -n "__tl_at 'tl sbx ls'" -s q -l quiet -d 'only IDs, one a line'
complete -c tl -n "__tl_at 'tl sbx ls'" -l json -d 'print a JSON array of sandboxes'
complete -c tl -n "__tl_at 'tl sbx ls'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx ls'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx ls'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx describe' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx describe'" -l json -d 'print the sandbox as JSON'
complete -c tl -n "__tl_at 'tl sbx describe'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx describe'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx describe'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx name' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx name'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx name'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx name'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx exec' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx exec'" -s t -l timeout -x -d 'end the command and all that it started after SECS seconds: SIGTERM, then SIGKILL'
complete -c tl -n "__tl_at 'tl sbx exec'" -s w -l workdir -x -d 'working directory inside (default: the image\'s)'
complete -c tl -n "__tl_at 'tl sbx exec'" -s e -l env -x -d 'set an environment variable; may be repeated'
complete -c tl -n "__tl_at 'tl sbx exec'" -l user -x -d 'user inside (default: the image\'s)'
complete -c tl -n "__tl_at 'tl sbx exec'" -s i -l interactive -d 'pass stdin on to the command; without it the command\'s stdin is empty'
complete -c tl -n "__tl_at 'tl sbx exec'" -l tty -d 'give the command a terminal; with one on stdin here, the keys go to it'
complete -c tl -n "__tl_at 'tl sbx exec'" -l detach -d 'leave the command running, print its PID and return'
complete -c tl -n "__tl_at 'tl sbx exec'" -l name -x -d 'with --detach: a name, unique among the processes that run'
complete -c tl -n "__tl_at 'tl sbx exec'" -l restart -x -d 'with --detach: when to start the command again after it has ended (default never)'
complete -c tl -n "__tl_at 'tl sbx exec'" -l max-restarts -x -d 'with --restart: give up after K restarts (default: never)'
complete -c tl -n "__tl_at 'tl sbx exec'" -l initial-backoff-ms -x -d 'with --restart: wait MS milliseconds before the first restart, twice as long before each next (default 1000)'
complete -c tl -n "__tl_at 'tl sbx exec'" -l max-backoff-ms -x -d 'with --restart: never wait longer (default 60000)'
complete -c tl -n "__tl_at 'tl sbx exec'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx exec'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx exec'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx run'" -s c -l cpus -x -d 'CPUs, more than 0 and at most 64; a fraction is a real limit (default 1.0)'
complete -c tl -n "__tl_at 'tl sbx run'" -s m -l memory -x -d 'memory in MB, 1024 to 8192 for each CPU, fractions rounded up (default 1024 for each)'
complete -c tl -n "__tl_at 'tl sbx run'" -l disk_mb -l disk-mb -x -d 'size of the disk in MiB, 10240 to 102400 (default 10240, or the snapshot\'s)'
complete -c tl -n "__tl_at 'tl sbx run'" -s i -l image -x -a '(__tl_images)' -d 'image to start from (default \'default\')'
complete -c tl -n "__tl_at 'tl sbx run'" -s s -l snapshot -x -a '(__tl_snapshots)' -d 'snapshot to start from instead of an image, by ID or name; a memory snapshot has its own CPUs, memory and disk'
complete -c tl -n "__tl_at 'tl sbx run'" -s N -l no-internet -d 'let it reach nobody, not even the resolver'
complete -c tl -n "__tl_at 'tl sbx run'" -s A -l network-allow -x -d 'let it reach only X and its resolver; an IPv4 or IPv6 address, a CIDR block or a host name, may be given several times'
complete -c tl -n "__tl_at 'tl sbx run'" -s D -l network-deny -x -d 'do not let it reach X, even if --network-allow would; may be given several times'
complete -c tl -n "__tl_at 'tl sbx run'" -s x -l expose -x -d 'hold this port of the sandbox open on 127.0.0.1 here (see \'tl sbx port\'); may be given several times'
complete -c tl -n "__tl_at 'tl sbx run'" -l accel -x -a 'auto kvm tcg' -d 'what runs the machine: kvm is hardware virtualization, tcg is software emulation (default auto: the best that works)'
complete -c tl -n "__tl_at 'tl sbx run'" -l no-template -d 'boot in any case, rather than go on from a machine that was saved when it had just booted'
complete -c tl -n "__tl_at 'tl sbx run'" -s t -l timeout -x -d 'end the command and all that it started after SECS seconds: SIGTERM, then SIGKILL'
complete -c tl -n "__tl_at 'tl sbx run'" -s w -l workdir -x -d 'working directory inside (default: the image\'s)'
complete -c tl -n "__tl_at 'tl sbx run'" -s e -l env -x -d 'set an environment variable; may be repeated'
complete -c tl -n "__tl_at 'tl sbx run'" -l user -x -d 'user inside (default: the image\'s)'
complete -c tl -n "__tl_at 'tl sbx run'" -l interactive -d 'pass stdin on to the command; without it the command\'s stdin is empty'
complete -c tl -n "__tl_at 'tl sbx run'" -l tty -d 'give the command a terminal; with one on stdin here, the keys go to it'
complete -c tl -n "__tl_at 'tl sbx run'" -s k -l keep -d 'do not terminate the sandbox; its ID is printed on stderr'
complete -c tl -n "__tl_at 'tl sbx run'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx run'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx run'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx cp' 0" -a '(__fish_complete_path)'
complete -c tl -n "__tl_at 'tl sbx cp' 1" -a '(__fish_complete_path)'
complete -c tl -n "__tl_at 'tl sbx cp'" -s r -l recursive -d 'changes nothing: folders are copied with all that is in them'
complete -c tl -n "__tl_at 'tl sbx cp'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx cp'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx cp'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx ps' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx ps'" -l json -d 'print an object with an array of processes'
complete -c tl -n "__tl_at 'tl sbx ps'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx ps'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx ps'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx logs' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx logs'" -l tail -x -d 'only the last N lines'
complete -c tl -n "__tl_at 'tl sbx logs'" -s f -l follow -d 'go on as more is written, until the process has ended for good'
complete -c tl -n "__tl_at 'tl sbx logs'" -l json -d 'print each line as a JSON object with its time and stream'
complete -c tl -n "__tl_at 'tl sbx logs'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx logs'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx logs'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx kill' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx kill'" -l signal -x -d 'send only this signal, by name or number'
complete -c tl -n "__tl_at 'tl sbx kill'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx kill'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx kill'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx restart' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx restart'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx restart'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx restart'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx ssh' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx ssh'" -s s -l shell -x -d 'the shell (default /bin/bash)'
complete -c tl -n "__tl_at 'tl sbx ssh'" -l shell-arg -x -d 'an argument for the shell; may be repeated'
complete -c tl -n "__tl_at 'tl sbx ssh'" -s w -l workdir -x -d 'working directory inside (default: the user\'s home)'
complete -c tl -n "__tl_at 'tl sbx ssh'" -s e -l env -x -d 'set an environment variable; may be repeated'
complete -c tl -n "__tl_at 'tl sbx ssh'" -l user -x -d 'user inside (default: the image\'s)'
complete -c tl -n "__tl_at 'tl sbx ssh'" -l config -d 'print a Host stanza for OpenSSH\'s ssh_config(5), and do nothing else'
complete -c tl -n "__tl_at 'tl sbx ssh'" -l proxy -d 'serve SSH on stdin and stdout: the ProxyCommand of that stanza'
complete -c tl -n "__tl_at 'tl sbx ssh'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx ssh'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx ssh'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx pty'" -a ls -d 'list the terminal sessions of a sandbox'
complete -c tl -n "__tl_at 'tl sbx pty'" -a attach -d 'go on with a terminal session'
complete -c tl -n "__tl_at 'tl sbx pty'" -a rm -d 'end a terminal session'
complete -c tl -n "__tl_at 'tl sbx pty'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx pty'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx pty'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx pty ls' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx pty ls'" -s q -l quiet -d 'only IDs, one a line'
complete -c tl -n "__tl_at 'tl sbx pty ls'" -l json -d 'print a JSON array of sessions'
complete -c tl -n "__tl_at 'tl sbx pty ls'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx pty ls'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx pty ls'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx pty attach' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx pty attach'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx pty attach'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx pty attach'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx pty rm' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx pty rm'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx pty rm'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx pty rm'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx tunnel' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx tunnel'" -s l -l local -x -d 'the port here (default: the same number); 0 takes one that is free'
complete -c tl -n "__tl_at 'tl sbx tunnel'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx tunnel'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx tunnel'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx port'" -a ls -d 'list the exposed ports of a sandbox'
complete -c tl -n "__tl_at 'tl sbx port'" -a expose -d 'hold ports of a sandbox open here'
complete -c tl -n "__tl_at 'tl sbx port'" -a rm -d 'hold ports of a sandbox open no longer'
complete -c tl -n "__tl_at 'tl sbx port'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx port'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx port'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx port ls' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx port ls'" -l json -d 'print an array of objects'
complete -c tl -n "__tl_at 'tl sbx port ls'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx port ls'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx port ls'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx port expose' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx port expose'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx port expose'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx port expose'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx port rm' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx port rm'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx port rm'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx port rm'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx terminate'" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx terminate'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx terminate'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx terminate'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx suspend' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx suspend'" -s n -l no-wait -d 'do not wait until it is suspended'
complete -c tl -n "__tl_at 'tl sbx suspend'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx suspend'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx suspend'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx resume' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx resume'" -s n -l no-wait -d 'do not wait until the sandbox takes commands'
complete -c tl -n "__tl_at 'tl sbx resume'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx resume'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx resume'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx checkpoint' 0" -a ls -d 'list snapshots'
complete -c tl -n "__tl_at 'tl sbx checkpoint' 0" -a rm -d 'remove snapshots'
complete -c tl -n "__tl_at 'tl sbx checkpoint' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -l checkpoint-type -x -a 'filesystem memory' -d 'what is kept: the disk, or the running processes too (default filesystem)'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -s t -l timeout -x -d 'give up after SECS seconds, and leave nothing behind (default 600)'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -l name -x -d 'a name to find the snapshot again, as a sandbox\'s'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -l json -d 'print the snapshot as JSON'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx checkpoint'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx checkpoint ls'" -s q -l quiet -d 'only IDs, one a line'
complete -c tl -n "__tl_at 'tl sbx checkpoint ls'" -l json -d 'print a JSON array of snapshots'
complete -c tl -n "__tl_at 'tl sbx checkpoint ls'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx checkpoint ls'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx checkpoint ls'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx checkpoint rm'" -a '(__tl_snapshots)'
complete -c tl -n "__tl_at 'tl sbx checkpoint rm'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx checkpoint rm'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx checkpoint rm'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx copy' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx copy'" -s n -x -d 'how many, 1 to 1000 (default 1)'
complete -c tl -n "__tl_at 'tl sbx copy'" -l json -d 'print a JSON array of the copies'
complete -c tl -n "__tl_at 'tl sbx copy'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx copy'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx copy'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx update' 0" -a '(__tl_sandboxes)'
complete -c tl -n "__tl_at 'tl sbx update'" -s N -l no-internet -d 'let it reach nobody, not even the resolver'
complete -c tl -n "__tl_at 'tl sbx update'" -s A -l network-allow -x -d 'let it reach only X and its resolver; an IPv4 or IPv6 address, a CIDR block or a host name, may be given several times'
complete -c tl -n "__tl_at 'tl sbx update'" -s D -l network-deny -x -d 'do not let it reach X, even if --network-allow would; may be given several times'
complete -c tl -n "__tl_at 'tl sbx update'" -l clear-network -d 'remove all rules: let it reach everybody'
complete -c tl -n "__tl_at 'tl sbx update'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx update'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx update'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image'" -a ls -d 'list images'
complete -c tl -n "__tl_at 'tl sbx image'" -a import -d 'make an image of a container image or a root file system'
complete -c tl -n "__tl_at 'tl sbx image'" -a describe -d 'show everything about an image'
complete -c tl -n "__tl_at 'tl sbx image'" -a rm -d 'remove images'
complete -c tl -n "__tl_at 'tl sbx image'" -a create -d 'make an image from a Dockerfile'
complete -c tl -n "__tl_at 'tl sbx image'" -a register -d 'make an image of a filesystem snapshot'
complete -c tl -n "__tl_at 'tl sbx image'" -a export -d 'write an image as an OCI image layout, for other tools'
complete -c tl -n "__tl_at 'tl sbx image'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image ls'" -l json -d 'print a JSON array of images'
complete -c tl -n "__tl_at 'tl sbx image ls'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image ls'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image ls'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image import' 0" -a '(__fish_complete_path)'
complete -c tl -n "__tl_at 'tl sbx image import'" -s n -l name -x -d 'what to call the image (default: after where it comes from)'
complete -c tl -n "__tl_at 'tl sbx image import'" -l disk_mb -l disk-mb -x -d 'size of its file system, 10240 to 102400 (default 10240)'
complete -c tl -n "__tl_at 'tl sbx image import'" -l insecure -d 'take a registry without a valid certificate, or without any'
complete -c tl -n "__tl_at 'tl sbx image import'" -l json -d 'print the image as JSON'
complete -c tl -n "__tl_at 'tl sbx image import'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image import'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image import'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image describe' 0" -a '(__tl_images)'
complete -c tl -n "__tl_at 'tl sbx image describe'" -l json -d 'print the image as JSON'
complete -c tl -n "__tl_at 'tl sbx image describe'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image describe'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image describe'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image rm'" -a '(__tl_images)'
complete -c tl -n "__tl_at 'tl sbx image rm'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image rm'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image rm'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image create' 0" -a '(__fish_complete_path)'
complete -c tl -n "__tl_at 'tl sbx image create'" -s n -l name -x -d 'what the image is called (default: after the Dockerfile or its folder)'
complete -c tl -n "__tl_at 'tl sbx image create'" -s f -l file -x -a '(__fish_complete_path)' -d 'a Dockerfile elsewhere; DOCKERFILE is the folder for COPY then'
complete -c tl -n "__tl_at 'tl sbx image create'" -l build-arg -x -d 'the value of an ARG; may be given several times'
complete -c tl -n "__tl_at 'tl sbx image create'" -l target -x -d 'the stage that becomes the image, by name or number (default: the last)'
complete -c tl -n "__tl_at 'tl sbx image create'" -s c -l cpus -x -d 'CPUs of the sandboxes that it is built in (default 1.0)'
complete -c tl -n "__tl_at 'tl sbx image create'" -s m -l memory -x -d 'their memory in MB, 1024 to 8192 for each CPU (default 1024 for each)'
complete -c tl -n "__tl_at 'tl sbx image create'" -l disk_mb -l disk-mb -x -d 'their disk in MiB, 10240 to 102400, which is also the least that a sandbox of the image has (default: the largest of what it is made from)'
complete -c tl -n "__tl_at 'tl sbx image create'" -s N -l no-internet -d 'let it reach nobody, not even the resolver'
complete -c tl -n "__tl_at 'tl sbx image create'" -s A -l network-allow -x -d 'let it reach only X and its resolver; an IPv4 or IPv6 address, a CIDR block or a host name, may be given several times'
complete -c tl -n "__tl_at 'tl sbx image create'" -s D -l network-deny -x -d 'do not let it reach X, even if --network-allow would; may be given several times'
complete -c tl -n "__tl_at 'tl sbx image create'" -l accel -x -a 'auto kvm tcg' -d 'what runs them (default auto: the best that works)'
complete -c tl -n "__tl_at 'tl sbx image create'" -l keep -d 'leave the sandbox of a stage that failed; its ID is printed on stderr'
complete -c tl -n "__tl_at 'tl sbx image create'" -l json -d 'print the image as JSON'
complete -c tl -n "__tl_at 'tl sbx image create'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image create'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image create'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image register' 0" -a '(__tl_images)'
complete -c tl -n "__tl_at 'tl sbx image register' 1" -a '(__tl_snapshots)'
complete -c tl -n "__tl_at 'tl sbx image register'" -l json -d 'print the image as JSON'
complete -c tl -n "__tl_at 'tl sbx image register'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image register'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image register'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx image export' 0" -a '(__tl_images)'
complete -c tl -n "__tl_at 'tl sbx image export' 1" -a '(__fish_complete_path)'
complete -c tl -n "__tl_at 'tl sbx image export'" -l tag -x -d 'what the image is called in the layout (default latest)'
complete -c tl -n "__tl_at 'tl sbx image export'" -l json -d 'print path, digest and size as JSON'
complete -c tl -n "__tl_at 'tl sbx image export'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx image export'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx image export'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx doctor'" -l json -d 'print the findings as JSON'
complete -c tl -n "__tl_at 'tl sbx doctor'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx doctor'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx doctor'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl sbx prune'" -l json -d 'print how many of each were removed as JSON'
complete -c tl -n "__tl_at 'tl sbx prune'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl sbx prune'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl sbx prune'" -s h -l help -d 'print help'
complete -c tl -n "__tl_at 'tl version'" -l home -x -a '(__fish_complete_directories)' -d 'keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl'
complete -c tl -n "__tl_at 'tl version'" -l debug -d 'let the sandbox\'s monitor log every step'
complete -c tl -n "__tl_at 'tl version'" -s h -l help -d 'print help'
