#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every lint check, the quick ones first; goes on after a failure and exits 1 when there was one.
# usage: lint.sh BUILD_FOLDER [FILE…]    BUILD_FOLDER has the compile_commands.json
set -euo pipefail

build=$1
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cache=${TL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tl-sbx}/tidy
failed=()

check() {
  local what=$1
  shift
  printf -- '--- %s\n' "$what"
  "$@" || failed+=("$what")
}

# What git knows or would know: build folders and other people's files stay out.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  list=(git ls-files --cached --others --exclude-standard)
else
  list=(find . -path ./build -prune -o -type f -printf '%P\n')
fi
if [ $# -gt 0 ]; then list=(printf '%s\n' "$@"); fi

mapfile -t sources < <("${list[@]}" | grep -E '\.(cpp|hpp|c|h)$' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)
mapfile -t scripts < <("${list[@]}" | while read -r f; do
  if [ -f "$f" ] && head -c 64 "$f" | head -n 1 | grep -aqE '^#!.*\b(ba)?sh\b'; then echo "$f"; fi
done)

check 'include direction' python3 -B tests/lint/include_direction.py .
check 'prologues' python3 -B tests/lint/prologue.py .
[ ${#scripts[@]} -eq 0 ] || check 'shell scripts' shellcheck "${scripts[@]}"
[ ${#sources[@]} -eq 0 ] || check 'format' clang-format --dry-run -Werror "${sources[@]}"
[ ${#sources[@]} -eq 0 ] || check 'clang-tidy' python3 -B tests/lint/tidy.py "$build" "$cache" "$@"

if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint: failed: %s\n' "$(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
  exit 1
fi
printf 'lint: nothing found\n'
