# SPDX-License-Identifier: Apache-2.0
# bash completion of tl. Made by tl-docs from the command tree: do not edit.

_tl_words() {
  local offered
  for offered in $1; do
    case $offered in
      @sandbox) "${COMP_WORDS[0]}" sbx ls 2>/dev/null | tail -n +2 | cut -f1,2 ;;
      @snapshot) "${COMP_WORDS[0]}" sbx checkpoint ls -q 2>/dev/null ;;
      @image) "${COMP_WORDS[0]}" sbx image ls 2>/dev/null | tail -n +2 | cut -f1 ;;
      @*) ;;
      *) printf '%s\n' "$offered" ;;
    esac
  done
}

_tl() {
  local cur=${COMP_WORDS[COMP_CWORD]} path=tl operands=0 expects='' flags='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then continue; fi
    if [[ $expects ]]; then
      expects=''
      continue
    fi
    case $path in
      'tl')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          sbx) path='tl sbx' ;;
          version) path='tl version' ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          create | new) path='tl sbx create' ;;
          ls | list) path='tl sbx ls' ;;
          describe | info) path='tl sbx describe' ;;
          name) path='tl sbx name' ;;
          exec) path='tl sbx exec' ;;
          run) path='tl sbx run' ;;
          cp) path='tl sbx cp' ;;
          ps) path='tl sbx ps' ;;
          logs) path='tl sbx logs' ;;
          kill) path='tl sbx kill' ;;
          restart) path='tl sbx restart' ;;
          ssh) path='tl sbx ssh' ;;
          pty) path='tl sbx pty' ;;
          tunnel) path='tl sbx tunnel' ;;
          port) path='tl sbx port' ;;
          terminate | stop) path='tl sbx terminate' ;;
          suspend) path='tl sbx suspend' ;;
          resume) path='tl sbx resume' ;;
          checkpoint | snapshot) path='tl sbx checkpoint' ;;
          copy) path='tl sbx copy' ;;
          update) path='tl sbx update' ;;
          image) path='tl sbx image' ;;
          doctor) path='tl sbx doctor' ;;
          prune) path='tl sbx prune' ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx create')
        case $word in
          -c | --cpus) expects='@nothing' ;;
          -m | --memory) expects='@nothing' ;;
          --disk_mb | --disk-mb) expects='@nothing' ;;
          -i | --image) expects='@image' ;;
          -s | --snapshot) expects='@snapshot' ;;
          -A | --network-allow) expects='@nothing' ;;
          -D | --network-deny) expects='@nothing' ;;
          -x | --expose) expects='@nothing' ;;
          --accel) expects='auto kvm tcg' ;;
          -t | --timeout) expects='@nothing' ;;
          --idle-timeout) expects='@nothing' ;;
          -e | --entrypoint) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx ls')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx describe')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx name')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx exec')
        case $word in
          -t | --timeout) expects='@nothing' ;;
          -w | --workdir) expects='@nothing' ;;
          -e | --env) expects='@nothing' ;;
          --user) expects='@nothing' ;;
          --name) expects='@nothing' ;;
          --restart) expects='@nothing' ;;
          --max-restarts) expects='@nothing' ;;
          --initial-backoff-ms) expects='@nothing' ;;
          --max-backoff-ms) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands > 1)) && return ;;
        esac
        ;;
      'tl sbx run')
        case $word in
          -c | --cpus) expects='@nothing' ;;
          -m | --memory) expects='@nothing' ;;
          --disk_mb | --disk-mb) expects='@nothing' ;;
          -i | --image) expects='@image' ;;
          -s | --snapshot) expects='@snapshot' ;;
          -A | --network-allow) expects='@nothing' ;;
          -D | --network-deny) expects='@nothing' ;;
          -x | --expose) expects='@nothing' ;;
          --accel) expects='auto kvm tcg' ;;
          -t | --timeout) expects='@nothing' ;;
          -w | --workdir) expects='@nothing' ;;
          -e | --env) expects='@nothing' ;;
          --user) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands > 0)) && return ;;
        esac
        ;;
      'tl sbx cp')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx ps')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx logs')
        case $word in
          --tail) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx kill')
        case $word in
          --signal) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx restart')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx ssh')
        case $word in
          -s | --shell) expects='@nothing' ;;
          --shell-arg) expects='@nothing' ;;
          -w | --workdir) expects='@nothing' ;;
          -e | --env) expects='@nothing' ;;
          --user) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands > 1)) && return ;;
        esac
        ;;
      'tl sbx pty')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          ls | list) path='tl sbx pty ls' ;;
          attach) path='tl sbx pty attach' ;;
          rm | delete) path='tl sbx pty rm' ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx pty ls')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx pty attach')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx pty rm')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx tunnel')
        case $word in
          -l | --local) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx port')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          ls | list) path='tl sbx port ls' ;;
          expose) path='tl sbx port expose' ;;
          rm | delete) path='tl sbx port rm' ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx port ls')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx port expose')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx port rm')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx terminate')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx suspend')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx resume')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx checkpoint')
        case $word in
          --checkpoint-type) expects='filesystem memory' ;;
          -t | --timeout) expects='@nothing' ;;
          --name) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          ls | list) if ((operands++ == 0)); then path='tl sbx checkpoint ls' operands=0; fi ;;
          rm | delete) if ((operands++ == 0)); then path='tl sbx checkpoint rm' operands=0; fi ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx checkpoint ls')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx checkpoint rm')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx copy')
        case $word in
          -n) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx update')
        case $word in
          -A | --network-allow) expects='@nothing' ;;
          -D | --network-deny) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          ls | list) path='tl sbx image ls' ;;
          import) path='tl sbx image import' ;;
          describe | info) path='tl sbx image describe' ;;
          rm | delete) path='tl sbx image rm' ;;
          create | build) path='tl sbx image create' ;;
          register) path='tl sbx image register' ;;
          export) path='tl sbx image export' ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image ls')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image import')
        case $word in
          -n | --name) expects='@nothing' ;;
          --disk_mb | --disk-mb) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image describe')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image rm')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image create')
        case $word in
          -n | --name) expects='@nothing' ;;
          -f | --file) expects='@file' ;;
          --build-arg) expects='@nothing' ;;
          --target) expects='@nothing' ;;
          -c | --cpus) expects='@nothing' ;;
          -m | --memory) expects='@nothing' ;;
          --disk_mb | --disk-mb) expects='@nothing' ;;
          -A | --network-allow) expects='@nothing' ;;
          -D | --network-deny) expects='@nothing' ;;
          --accel) expects='auto kvm tcg' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image register')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx image export')
        case $word in
          --tag) expects='@nothing' ;;
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx doctor')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl sbx prune')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
      'tl version')
        case $word in
          --home) expects='@folder' ;;
          -*) ;;
          *) ((++operands)) ;;
        esac
        ;;
    esac
  done
  if [[ $cur == '=' ]]; then cur=''; fi
  [[ $expects ]] || case $path in
    'tl')
      flags='--version --home --debug -h --help'
      expects='sbx version'
      ;;
    'tl sbx')
      flags='--home --debug -h --help'
      expects='create ls describe name exec run cp ps logs kill restart ssh pty tunnel port terminate suspend resume checkpoint copy update image doctor prune'
      ;;
    'tl sbx create')
      flags='-c --cpus -m --memory --disk_mb --disk-mb -i --image -s --snapshot -N --no-internet -A --network-allow -D --network-deny -x --expose --accel --no-template -t --timeout --idle-timeout -e --entrypoint -n --no-wait --json --home --debug -h --help'
      ;;
    'tl sbx ls')
      flags='-a --all -r --running -s --suspended -q --quiet --json --home --debug -h --help'
      ;;
    'tl sbx describe')
      flags='--json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx name')
      flags='--home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx exec')
      flags='-t --timeout -w --workdir -e --env --user -i --interactive --tty --detach --name --restart --max-restarts --initial-backoff-ms --max-backoff-ms --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx run')
      flags='-c --cpus -m --memory --disk_mb --disk-mb -i --image -s --snapshot -N --no-internet -A --network-allow -D --network-deny -x --expose --accel --no-template -t --timeout -w --workdir -e --env --user --interactive --tty -k --keep --home --debug -h --help'
      ;;
    'tl sbx cp')
      flags='-r --recursive --home --debug -h --help'
      ((operands == 0)) && expects='@file'
      ((operands == 1)) && expects='@file'
      ;;
    'tl sbx ps')
      flags='--json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx logs')
      flags='--tail -f --follow --json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx kill')
      flags='--signal --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx restart')
      flags='--home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx ssh')
      flags='-s --shell --shell-arg -w --workdir -e --env --user --config --proxy --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx pty')
      flags='--home --debug -h --help'
      expects='ls attach rm'
      ;;
    'tl sbx pty ls')
      flags='-q --quiet --json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx pty attach')
      flags='--home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx pty rm')
      flags='--home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx tunnel')
      flags='-l --local --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx port')
      flags='--home --debug -h --help'
      expects='ls expose rm'
      ;;
    'tl sbx port ls')
      flags='--json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx port expose')
      flags='--home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx port rm')
      flags='--home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx terminate')
      flags='--home --debug -h --help'
      ((operands >= 0)) && expects='@sandbox'
      ;;
    'tl sbx suspend')
      flags='-n --no-wait --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx resume')
      flags='-n --no-wait --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx checkpoint')
      flags='--checkpoint-type -t --timeout --name --json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox ls rm'
      ;;
    'tl sbx checkpoint ls')
      flags='-q --quiet --json --home --debug -h --help'
      ;;
    'tl sbx checkpoint rm')
      flags='--home --debug -h --help'
      ((operands >= 0)) && expects='@snapshot'
      ;;
    'tl sbx copy')
      flags='-n --json --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx update')
      flags='-N --no-internet -A --network-allow -D --network-deny --clear-network --home --debug -h --help'
      ((operands == 0)) && expects='@sandbox'
      ;;
    'tl sbx image')
      flags='--home --debug -h --help'
      expects='ls import describe rm create register export'
      ;;
    'tl sbx image ls')
      flags='--json --home --debug -h --help'
      ;;
    'tl sbx image import')
      flags='-n --name --disk_mb --disk-mb --insecure --json --home --debug -h --help'
      ((operands == 0)) && expects='@file'
      ;;
    'tl sbx image describe')
      flags='--json --home --debug -h --help'
      ((operands == 0)) && expects='@image'
      ;;
    'tl sbx image rm')
      flags='--home --debug -h --help'
      ((operands >= 0)) && expects='@image'
      ;;
    'tl sbx image create')
      flags='-n --name -f --file --build-arg --target -c --cpus -m --memory --disk_mb --disk-mb -N --no-internet -A --network-allow -D --network-deny --accel --keep --json --home --debug -h --help'
      ((operands == 0)) && expects='@file'
      ;;
    'tl sbx image register')
      flags='--json --home --debug -h --help'
      ((operands == 0)) && expects='@image'
      ((operands == 1)) && expects='@snapshot'
      ;;
    'tl sbx image export')
      flags='--tag --json --home --debug -h --help'
      ((operands == 0)) && expects='@image'
      ((operands == 1)) && expects='@file'
      ;;
    'tl sbx doctor')
      flags='--json --home --debug -h --help'
      ;;
    'tl sbx prune')
      flags='--json --home --debug -h --help'
      ;;
    'tl version')
      flags='--home --debug -h --help'
      ;;
  esac
  if [[ $expects == '@folder' ]]; then
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    compopt -o filenames
  elif [[ $expects == '@file' && $cur != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    compopt -o filenames
  elif [[ $cur == -* && $flags ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(_tl_words "$expects")" -- "$cur")
  fi
}

complete -F _tl tl
