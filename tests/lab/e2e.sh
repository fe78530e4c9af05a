#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The end-to-end suite on the kvm machine, on this machine where its /dev/kvm runs guests, else in the lab:
# e2e.sh TL SECONDS
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
tl=$1 seconds=$2

if "$tl" sbx doctor --json 2>/dev/null | tr -d ' \n' | grep -q '"kvm","verdict":"ok"'; then
  exec python3 "$here/suite.py" "$seconds"
fi
for program in qemu-system-x86_64 mmdebstrap mke2fs setpriv; do
  command -v "$program" >/dev/null && continue
  printf 'skipped: /dev/kvm runs no guests here, and there is no %s for the lab (./dev setup lab)\n' "$program"
  if [ "${CI:-}" = true ]; then exit 1; fi
  exit 77
done
exec "$here/lab.sh" --seconds "$((seconds + 30))" -- python3 tests/lab/suite.py "$seconds"
