#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command on a machine with a true /dev/kvm, which QEMU emulates (README.md):
#   lab.sh [--seconds N] [--build DIR]… [-- COMMAND…]
# Output and exit status are the command's; 124 after N seconds; 125 when the lab itself fails, and 75 when it stands
# still in the middle, as emulated machines do now and then, 76 when its kernel panics. Without a command: a shell.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
tree=$(cd "$here/../.." && pwd)
cache=${TL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or TL_CACHE}/.cache}/tl-sbx}
seconds=0
builds=()
boot_seconds=90 # for a busy host; a quiet one takes 6
still_seconds=90 # without a sign of life
attempts=3      # emulating two processors, now and then the lab's own kernel does not come up

fail() {
  printf 'lab: %s\n' "$1" >&2
  exit 125
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
  [ -z "${qemu:-}" ] || kill -KILL "$qemu" 2>/dev/null || true
  rm -rf "$work"
}

# What the tests need of the tree, links followed where they lead out of it.
copy_tree() {
  local build to=$work/disk/tree
  mkdir -p "$to"
  cp -r "$tree/tests" "$to/"
  for build in "${builds[@]}"; do
    [ -d "$tree/$build/bin" ] || fail "there is nothing in $build/bin: build it first"
    mkdir -p "$to/$build/bin"
    cp "$tree/$build"/bin/* "$to/$build/bin/"
    strip "$to/$build"/bin/tl "$to/$build"/bin/unit_* 2>/dev/null || true
    if [ -d "$tree/$build/share" ]; then cp -rL --sparse=always "$tree/$build/share" "$to/$build/"; fi
  done
}

make_disks() {
  {
    printf 'tree=%q\n' "$tree"
    printf 'interactive=%q\n' "$interactive"
  } >"$work/disk/settings"
  local word
  {
    printf 'export TL_CACHE=/tmp/cache TL_LAB=1\n'
    for word in "$@"; do printf '%q ' "$word"; done
    printf '\n'
  } >"$work/disk/command"
  truncate -s 4G "$work/tree.img"
  mke2fs -q -t ext4 -F -O ^has_journal -m 0 -d "$work/disk" "$work/tree.img"
  rm -rf "$work/disk"
  truncate -s 20G "$work/scratch.img"
  mke2fs -q -t ext4 -F -O ^has_journal "$work/scratch.img"
}

start() {
  : >"$work/status"
  : >"$work/console"
  local -a console
  if [ -n "$interactive" ]; then
    console=(-chardev 'stdio,id=tty,signal=off' -device 'virtconsole,chardev=tty')
  else
    # By way of pipes: QEMU would open our output anew, and at its beginning.
    rm -f "$work/out" "$work/err"
    mkfifo "$work/out" "$work/err"
    cat "$work/out" &
    copiers=($!)
    cat "$work/err" >&2 &
    copiers+=($!)
    console=(-chardev "file,id=out,path=$work/out" -chardev "file,id=err,path=$work/err"
      -device 'virtserialport,chardev=out,name=out' -device 'virtserialport,chardev=err,name=err')
  fi
  # Redirected input would be /dev/null for a process in the background.
  setpriv --pdeathsig KILL "$image/qemu-system-x86_64" -name lab -nodefaults -display none -no-reboot \
    -M q35,kernel-irqchip=on -accel tcg,thread=multi,tb-size=512 -cpu max,svm=on,xsave=off,la57=off,erms=off,fsrm=off -smp 2 -m 8G \
    -kernel "$image/vmlinuz" -initrd "$image/initramfs" \
    -append 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check' \
    -chardev "file,id=console,path=$work/console" -serial chardev:console \
    -drive "file=$image/root.img,format=raw,if=virtio,snapshot=on,cache=unsafe" \
    -drive "file=$work/tree.img,format=raw,if=virtio,readonly=on,cache=unsafe" \
    -drive "file=$work/scratch.img,format=raw,if=virtio,cache=unsafe,discard=unmap" \
    -device virtio-rng-pci -device virtio-serial-pci -chardev "file,id=status,path=$work/status" \
    -device virtserialport,chardev=status,name=status "${console[@]}" <&3 &
  qemu=$!
}

# Whether the lab came up in time.
is_ready() {
  local waited=0
  while [ $waited -lt $((boot_seconds * 5)) ]; do
    if grep -q ready "$work/status"; then return 0; fi
    kill -0 "$qemu" 2>/dev/null || return 1
    sleep 0.2
    waited=$((waited + 1))
  done
  return 1
}

boot() {
  local attempt
  for attempt in $(seq "$attempts"); do
    start
    if is_ready; then return; fi
    kill -KILL "$qemu" 2>/dev/null || true
    wait "$qemu" 2>/dev/null || true
    printf 'lab: did not come up (attempt %d of %d)\n' "$attempt" "$attempts" >&2
  done
  tail -n 20 "$work/console" >&2
  fail 'the lab does not come up; above are the last lines of its console'
}

main() {
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=$2 && shift 2 ;;
      --build) builds+=("$2") && shift 2 ;;
      --) shift && break ;;
      *) fail "unknown option '$1'" ;;
    esac
  done
  [ ${#builds[@]} -gt 0 ] || builds=(build/release)
  interactive=''
  if [ $# -eq 0 ]; then interactive=1; fi
  command -v qemu-system-x86_64 >/dev/null || fail 'there is no qemu-system-x86_64: ./dev setup lab'
  image=$("$here/image.sh" "$cache") || exit 125
  work=$(mktemp -d "${TMPDIR:-/tmp}/tl-lab.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  exec 3<&0
  copy_tree
  make_disks "$@"
  boot
  local started=$SECONDS
  while kill -0 "$qemu" 2>/dev/null; do
    if [ "$seconds" -gt 0 ] && [ $((SECONDS - started)) -ge "$seconds" ]; then
      printf 'lab: the command took longer than %d s\n' "$seconds" >&2
      exit 124
    fi
    if [ $(($(date +%s) - $(stat -c %Y "$work/status"))) -gt "$still_seconds" ]; then
      printf 'lab: the emulated machine stands still\n' >&2
      exit 75
    fi
    sleep 0.2
  done
  wait "$qemu" || true
  qemu=''
  [ -n "$interactive" ] || wait "${copiers[@]}" || true
  local code
  code=$(sed -n 's/^exit //p' "$work/status")
  if [ -z "$code" ]; then
    tail -n 20 "$work/console" >&2
    if grep -q 'Kernel panic' "$work/console"; then
      printf 'lab: the kernel of the emulated machine panicked; above are the last lines of its console\n' >&2
      exit 76
    fi
    fail 'the lab ended before its command; above are the last lines of its console'
  fi
  exit "$code"
}

main "$@"
