// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/atomic_file.hpp"
#include "common/result.hpp"

namespace tl::snapshot {

// What a saved state needs to be continued: it is of use only where all of this is the same.
struct Fingerprint {
  std::string accelerator;    // "kvm", "tcg"
  std::string build;          // of tl: another one may save other devices
  std::string kernel_digest;  // of the guest's kernel
  std::string cpu;            // what the guest was told of its CPU, in any spelling
  std::uint64_t memory_bytes = 0;
  std::uint32_t vcpus = 0;
  bool operator==(const Fingerprint&) const = default;
};

// The state of a machine but for its memory: the file `machine` of FORMAT.md, in the folder that has the
// memory. The bytes are the machine's own business. A monitor removes the file before it lets the machine
// run on, for from then on memory and disk are no longer those of the state. Any thread.
class MachineState {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  static constexpr std::size_t kMaxText = 65535;  // of each text of a fingerprint

  // Replaces what is there, as a whole. kOutOfRange for bytes or texts that are too long.
  static Result<void> save(int folder, const Fingerprint& fingerprint, std::span<const std::byte> bytes,
                           Durability durability);

  // kNotFound when there is none; kFailure when it is damaged or of an unknown version; kHostLacks when it
  // does not fit `here`, with the first field that differs, what it was, and what it is here.
  static Result<std::vector<std::byte>> load(int folder, const Fingerprint& here);

  // What the state was saved on. Errors as load()'s.
  static Result<Fingerprint> read_fingerprint(int folder);

  // Durably when so told; no error when there is none.
  static Result<void> remove(int folder, Durability durability);
};

}  // namespace tl::snapshot
