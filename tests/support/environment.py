# SPDX-License-Identifier: Apache-2.0
"""What the suite is told and what the host offers.

TL_E2E_TL     the `tl` under test (default: the release build of this tree)
TL_E2E_SHARE  the folder with its kernel and images (default: ../share/tl beside the binary's folder)
TL_E2E_ACCEL  the machine to run on: tcg (default) or kvm
TL_LAB        set in the lab (tests/lab), whose processors are emulated: crowds and streams are smaller there
CI=true       what `./dev setup` and `./dev build` provide must be there: without it a test fails, not skips
"""

import os
import pathlib
import shutil
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TL = pathlib.Path(os.environ.get("TL_E2E_TL", ROOT / "build/release/bin/tl")).resolve()
SHARE = pathlib.Path(os.environ.get("TL_E2E_SHARE", TL.parent.parent / "share/tl")).resolve()
KERNEL = SHARE / "kernel/vmlinux"
ACCEL = os.environ.get("TL_E2E_ACCEL", "tcg")
IN_LAB = "TL_LAB" in os.environ


def require_built(present, reason):
    """Skips with the reason; under CI fails, for there it should have been set up or built."""
    if present:
        return
    if os.environ.get("CI") == "true":
        raise AssertionError(f"{reason} (./dev setup && ./dev build should have provided it)")
    raise unittest.SkipTest(reason)


def require_host(present, reason):
    """Skips with the reason: not every host can offer this."""
    if not present:
        raise unittest.SkipTest(reason)


def require_tl():
    require_built(os.access(TL, os.X_OK), f"no executable at {TL}")


def require_guest():
    """Everything that a sandbox needs on this host."""
    require_tl()
    require_built(KERNEL.is_file(), f"no guest kernel at {KERNEL}")
    images = os.walk(SHARE / "images", followlinks=True)
    require_built(any("manifest.json" in files for _, _, files in images), f"no image under {SHARE}/images")
    if ACCEL == "tcg":
        require_built(shutil.which("qemu-system-x86_64"), "no qemu-system-x86_64 in PATH")
    else:
        require_host(os.access("/dev/kvm", os.R_OK | os.W_OK), "no usable /dev/kvm")


def require_root(what):
    require_host(os.geteuid() == 0, f"{what} needs root")
