// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.hpp"

namespace tl {

// What a guest's disk is to whoever serves it (NBD server, virtio-blk): a flat array of bytes.
// Offsets and lengths are in bytes, multiples of kSectorBytes, and within size_bytes(): the caller checks,
// because it alone knows how to refuse the guest; the implementation asserts. Calls may block on the host's
// disk. One thread at a time unless an implementation promises more.
class BlockDevice {
 public:
  static constexpr std::uint32_t kSectorBytes = 512;

  virtual ~BlockDevice() = default;

  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;

  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> into) = 0;
  // kHostLacks when the host's disk or the sandbox's quota is full: the guest gets ENOSPC/EIO for this
  // request.
  virtual Result<void> write(std::uint64_t offset, std::span<const std::byte> from) = 0;
  // Reads as zeroes afterwards; gives host space back where whole clusters are covered.
  virtual Result<void> write_zeroes(std::uint64_t offset, std::uint64_t length) = 0;
  // The guest no longer needs the contents; reads as zeroes afterwards.
  virtual Result<void> discard(std::uint64_t offset, std::uint64_t length) = 0;
  // Everything written before is durable when this returns.
  virtual Result<void> flush() = 0;

 protected:
  BlockDevice() = default;
  BlockDevice(const BlockDevice&) = delete;
  BlockDevice& operator=(const BlockDevice&) = delete;
};

}  // namespace tl
