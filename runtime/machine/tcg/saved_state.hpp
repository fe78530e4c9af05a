// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::machine {

// The bytes that TcgMachine::save() gives: who wrote them, and QEMU's own migration stream, which only the
// same version is trusted to read. Little-endian:
//
//   0   8  magic "TL-TCG\0\1", the last byte the version of this layout
//   8   4  length of the QEMU version in bytes, at most kVersionBytes
//   12  4  length of the stream in bytes, more than 0
//   16     the QEMU version, then the stream; nothing follows
//
// Whoever keeps them sees to a checksum.
struct SavedState {
  static constexpr std::size_t kVersionBytes = 256;
  static constexpr std::size_t kStreamBytes = 64 << 20;  // some hundred KiB are usual

  std::string qemu_version;           // QmpClient::qemu_version()
  std::span<const std::byte> stream;  // points into what was parsed
};

// `stream`: 1 to kStreamBytes bytes.
std::vector<std::byte> serialize(const SavedState& state);

// kFailure, in one sentence, when it is something else or cut off.
Result<SavedState> parse_saved_state(std::span<const std::byte> bytes);

}  // namespace tl::machine
