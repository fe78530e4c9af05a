// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "runtime/machine/probe/verdict.hpp"

namespace tl::machine {

struct QemuVersion {
  unsigned major = 0;
  unsigned minor = 0;
  std::string text;  // "7.2.22"
  std::string
      full;  // "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)": with the packager's version, where there is one
};
// The oldest that the tcg machine is made for.
inline constexpr unsigned kLeastQemuMajor = 7;
inline constexpr unsigned kLeastQemuMinor = 2;

// From what `qemu-system-x86_64 --version` prints; nullopt when that is something else.
std::optional<QemuVersion> parse_qemu_version(std::string_view output);

// Asks the program, a name that is searched for or a path.
Verdict probe_tcg(const std::string& qemu = "qemu-system-x86_64");

// "QEMU 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)": a saved tcg machine goes on only where this is the same. Runs
// the program; callers that have the host's verdicts find it there. kHostLacks when tcg cannot be used.
Result<std::string> qemu_fingerprint(const std::string& qemu = "qemu-system-x86_64");

}  // namespace tl::machine
