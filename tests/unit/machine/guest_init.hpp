// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/file_part.hpp"

namespace tl::machine::test {

// An initramfs (cpio newc in a memfd) with one program, /init, which says "TL-TEST-INIT" on the console and
// then does what `command` tells: 'p' powers off, 'r' reboots, 's' sleeps, 'e' echoes the first virtio-serial
// port, 'c' counts the bytes that come there and answers each, a millisecond later, with a Count, 'd' writes
// 1, 2, 3 … to the first eight bytes of blocks of 4096 bytes of the first disk, one after the other in the
// first MiB and round again, past the cache, reads each back, and makes the kernel panic when that fails; 'n'
// says "n00000001", "n00000002" … on the console, a line each 10 milliseconds.
FilePart initramfs_with_init(char command);

struct Count {
  std::uint64_t bytes = 0;
  std::uint64_t uptime_s = 0;
  std::uint64_t uptime_ns = 0;

  [[nodiscard]] double uptime() const {
    return static_cast<double>(uptime_s) + static_cast<double>(uptime_ns) / 1e9;
  }
};

// The kernel for tests with a real QEMU; nullopt, with the reason on stderr, where they are to be skipped.
std::optional<std::string> tcg_test_kernel();

}  // namespace tl::machine::test
