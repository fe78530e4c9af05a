// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::snapshot::test {

// A step is one system call that alters the disk or syncs. From now on `steps` of them are done; in place of
// the next one this process ends, as by kill -9 (with status 9), or that one fails with EIO.
void die_after(int steps);
void fail_after(int steps);
void disarm();

}  // namespace tl::snapshot::test
