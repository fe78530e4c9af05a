#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the guest kernel from the distribution's linux-source package and fragment.config, and prints
# the folder that has it: <cache>/kernel-<digest>/{vmlinux,bzImage,config,manifest.json}.
#
# The digest is over what goes in (version of the package, the files of this folder), so a second run is
# instant. The manifest is written last and the folder renamed into place, so a folder that has a
# manifest is whole. One build at a time: the second waits, then finds the first one's result.
# shellcheck disable=SC2317 # traps call functions that nothing else does
set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fragment=$here/fragment.config
addition=$here/machine.c
# About how many objects a build compiles; only the progress line uses it.
expected_objects=1430

fail() {
  printf 'kernel: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf 'hint: %s\n' "$2" >&2
  exit 1
}
say() { printf 'kernel: %s\n' "$*" >&2; }

usage() {
  cat <<'TEXT'
usage: build.sh [--cache DIR] [--if-cached]
  --cache DIR   where finished kernels are kept (default: $TL_CACHE, else ~/.cache/tl-sbx)
  --if-cached   print the folder of a finished build, or exit 1 without building
TEXT
}

# Prints "<package> <version>" of the best linux-source installed: 6.12 (the one tested), else the newest
# not older than 6.1.
find_source() {
  local best='' package version number
  while read -r package version; do
    number=${package#linux-source-}
    [[ $number =~ ^[0-9]+\.[0-9]+(\.[0-9]+)?$ ]] || continue
    compgen -G "/usr/src/$package.tar.*" >/dev/null || compgen -G "/usr/src/$package/$package.tar.*" >/dev/null || continue
    [ "$(printf '%s\n' 6.1 "$number" | sort -V | head -n1)" = 6.1 ] || continue
    if [ "$number" = 6.12 ]; then
      printf '%s %s\n' "$package" "$version"
      return
    fi
    if [ -z "$best" ] || [ "$(printf '%s\n' "${best% *}" "$package" | sort -V | tail -n1)" = "$package" ]; then
      best="$package $version"
    fi
  done < <(dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' 'linux-source-*' 2>/dev/null |
    sed -n 's/ installed$//p')
  [ -n "$best" ] || return 1
  printf '%s\n' "$best"
}

find_tarball() {
  local file
  for file in "/usr/src/$1/$1".tar.* "/usr/src/$1".tar.*; do
    [ -f "$file" ] && printf '%s\n' "$file" && return
  done
}

# Most of the tarball is drivers that cannot be configured here; their Kconfig files must stay.
unpack() {
  local tarball=$1 destination=$2
  local -a filter=() skip=()
  case $tarball in
    *.xz) filter=(--use-compress-program='xz -T0') ;;
  esac
  local folder
  for folder in drivers/gpu drivers/media drivers/net/ethernet drivers/net/wireless drivers/staging \
    drivers/scsi drivers/infiniband drivers/usb sound 'arch/[!x]*'; do
    skip+=(--exclude="*/$folder/*.[chS]")
  done
  tar -x -f "$tarball" -C "$destination" --strip-components=1 --no-same-owner "${filter[@]}" \
    --wildcards --wildcards-match-slash "${skip[@]}" --exclude='*.dts' --exclude='*.dtsi' \
    --exclude='*/Documentation/?*/*' --exclude='*/tools/testing/*' --exclude='*/tools/perf/*' ||
    fail "unpack $tarball failed" "is there space in $cache? the build needs 1.5 GB"
}

# Every line of the fragment's first part must have come true, or the guest would miss it silently.
check_config() {
  local config=$1 name value missing=''
  while IFS='=' read -r name value; do
    case $value in
      n) ! grep -q "^$name=" "$config" || missing+=" $name=n" ;;
      *) grep -qxF "$name=$value" "$config" || missing+=" $name=$value" ;;
    esac
  done < <(sed '/^# --- not in every version/,$d' "$fragment" | grep '^CONFIG_')
  [ -z "$missing" ] || fail "$source does not take these lines of fragment.config:$missing" \
    'find their new names, or move them to the last section'
}

# Runs make with its output in the log, and says how far it is.
compile() {
  local log=$1 started=$SECONDS objects percent told=0
  shift
  "$@" >"$log" 2>&1 &
  make_pid=$!
  while kill -0 "$make_pid" 2>/dev/null; do
    objects=$(grep -cE '^  (CC|AS) ' "$log" || true)
    percent=$((objects * 100 / expected_objects))
    [ "$percent" -lt 99 ] || percent=99
    if [ -t 2 ]; then
      printf '\rkernel: compiling %3d%% (%d of about %d files, %d s) ' "$percent" "$objects" "$expected_objects" \
        $((SECONDS - started)) >&2
    elif [ $((percent / 25)) -gt "$told" ]; then
      told=$((percent / 25))
      say "compiled $((told * 25))%, $((SECONDS - started)) s"
    fi
    sleep 1
  done
  [ ! -t 2 ] || printf '\r\033[K' >&2
  if ! wait "$make_pid"; then
    make_pid=''
    grep -nE 'error|Error|No space' "$log" | head -n 10 >&2 || true
    tail -n 15 "$log" >&2
    fail "the build failed; its whole output is in $log"
  fi
  make_pid=''
}

clean_up() {
  if [ -n "${make_pid:-}" ]; then
    kill "$make_pid" 2>/dev/null || true
    wait "$make_pid" 2>/dev/null || true
  fi
  rm -rf "$work" "$result"
}

# Prints a file's entry in the manifest.
describe() {
  printf '{ "sha256": "%s", "size": %d }' "$(sha256sum <"$1" | cut -d' ' -f1)" "$(stat -c %s "$1")"
}

build() {
  local started=$SECONDS
  work=$cache/kernel-work
  # Linux's makefiles refuse a path with a space or a colon.
  if [[ $work == *[[:space:]:]* ]]; then work=/var/tmp/tl-kernel-work-$(id -u); fi
  local tree=$work/source out=$work/out
  result=$cache/kernel-result
  rm -rf "$work" "$result"
  mkdir -p "$tree" "$out" "$result"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  say "unpacking $source $version"
  local tarball
  tarball=$(find_tarball "$source")
  [ -n "$tarball" ] || fail "$source has no tarball in /usr/src"
  unpack "$tarball" "$tree"
  cp "$addition" "$tree/arch/x86/kernel/tl_machine.c"
  printf 'obj-y += tl_machine.o\n' >>"$tree/arch/x86/kernel/Makefile"
  # The kernel fills what it frees of its own start with a pattern, by way of debugging. Under emulation each of
  # those words is a store into a page of translated code: 50 ms, a seventh of the boot. Outside 0 to 255 is none.
  local free_init=$tree/arch/x86/mm/init.c
  grep -q 'POISON_FREE_INITMEM, what' "$free_init" || fail "$source frees its init memory in another way" 'see build()'
  sed -i 's/POISON_FREE_INITMEM, what/-1, what/' "$free_init"
  # Free memory is reported to the host after 10 s instead of 2, and again 10 s after more has become free. The first
  # report reads the descriptors of all memory, a nested page fault for each page of them: what goes on from a
  # template has better to do in its first seconds, and most of what lives that short never does it.
  local reporting=$tree/mm/page_reporting.c
  grep -qE 'PAGE_REPORTING_DELAY[[:space:]]+\(2 \* HZ\)' "$reporting" ||
    fail "$source reports free memory at another time" 'see build()'
  sed -i -E 's/(PAGE_REPORTING_DELAY[[:space:]]+)\(2 \* HZ\)/\1(10 * HZ)/' "$reporting"

  # QEMU translates code for each state of the flags that it takes apart, and one is whether SS is a 32-bit segment.
  # After a system call it is the kernel's; after an interrupt or a fault in user mode it is none, and all of the kernel
  # that both lead to was translated twice: a tenth of what a guest that goes on from a template does. So it is made
  # the kernel's. The "bug" is that of AMD's processors, of which QEMU emulates one; others jump over it.
  local entry=$tree/arch/x86/entry/entry_64.S
  # shellcheck disable=SC2016 # an assembler's dollar
  sed -i '/^SYM_CODE_START(error_entry)/,/jmp.sync_regs/s/^\tUNTRAIN_RET[A-Z_]*$/&\
\
\tALTERNATIVE "jmp .Lerror_entry_has_ss", "", X86_BUG_SYSRET_SS_ATTRS\
\tmovl $__KERNEL_DS, %eax\
\tmovl %eax, %ss\
.Lerror_entry_has_ss:/' "$entry"
  grep -q '^.Lerror_entry_has_ss:' "$entry" || fail "$source enters the kernel in another way" 'see build()'

  # Nothing of this machine or this moment goes into the kernel.
  export KBUILD_BUILD_USER=tl KBUILD_BUILD_HOST=tl
  KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$(stat -c %Y "$tarball")" '+%a %b %e %H:%M:%S UTC %Y')
  export KBUILD_BUILD_TIMESTAMP
  unset ARCH CROSS_COMPILE KCFLAGS MAKEFLAGS MFLAGS KBUILD_OUTPUT
  local compiler=gcc
  if command -v ccache >/dev/null; then
    compiler='ccache gcc'
    export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_BASEDIR=$work
  fi
  local -a make=(make -C "$tree" "O=$out" ARCH=x86_64 "CC=$compiler" HOSTCC=gcc LOCALVERSION= "-j$(nproc)")

  "${make[@]}" KCONFIG_ALLCONFIG="$fragment" allnoconfig >"$cache/kernel-build.log" 2>&1 ||
    fail "configuring $source failed; see $cache/kernel-build.log"
  check_config "$out/.config"
  local release
  release=$("${make[@]}" -s kernelrelease)
  say "building Linux $release on $(nproc) processors: about ten processor minutes"
  compile "$cache/kernel-build.log" "${make[@]}" vmlinux bzImage

  objcopy --strip-all "$out/vmlinux" "$result/vmlinux"
  readelf -n "$result/vmlinux" 2>/dev/null | grep -q 'Xen' ||
    fail 'vmlinux has no PVH note' 'CONFIG_PVH must be on'
  cp "$out/arch/x86/boot/bzImage" "$result/bzImage"
  cp "$out/.config" "$result/config"
  cat >"$result/manifest.json" <<JSON
{
  "schema": 1,
  "kind": "kernel",
  "digest": "$digest",
  "version": "$release",
  "source": "$source",
  "source_version": "$version",
  "files": {
    "vmlinux": $(describe "$result/vmlinux"),
    "bzImage": $(describe "$result/bzImage"),
    "config": $(describe "$result/config")
  }
}
JSON
  sync -f "$result/manifest.json"
  rm -rf "$final"
  mv -T "$result" "$final"
  say "done in $((SECONDS - started)) s"
}

# A function, so that the script may be replaced while it runs.
main() {
  cache=${TL_CACHE:-}
  local only_cached=''
  while [ $# -gt 0 ]; do
    case $1 in
      --cache)
        [ $# -ge 2 ] || fail '--cache needs a folder'
        cache=$2
        shift 2
        ;;
      --if-cached)
        only_cached=1
        shift
        ;;
      -h | --help) usage && exit 0 ;;
      *) usage >&2 && exit 2 ;;
    esac
  done
  [ -n "$cache" ] || cache=${XDG_CACHE_HOME:-${HOME:?set HOME or TL_CACHE}/.cache}/tl-sbx

  local found
  found=$(find_source) || fail 'no linux-source package (6.1 or newer) is installed' './dev setup installs it'
  source=${found% *}
  version=${found#* }
  digest=$({ printf '%s %s\n' "$source" "$version" && cat "$fragment" "$addition" "${BASH_SOURCE[0]}"; } | sha256sum | cut -c1-32)
  final=$cache/kernel-$digest

  if [ ! -s "$final/manifest.json" ]; then
    [ -z "$only_cached" ] || exit 1
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
    final=$cache/kernel-$digest
    exec 9>"$cache/kernel.lock"
    if ! flock -n 9; then
      say 'another build is running; waiting for it'
      flock 9
    fi
    if [ ! -s "$final/manifest.json" ]; then build; fi
  fi
  printf '%s\n' "$final"
  exit
}

main "$@"
