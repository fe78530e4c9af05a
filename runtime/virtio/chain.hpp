// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tl::virtio {

// One request of a driver: what its descriptors point to, as the host sees it. All of it is the guest's
// memory, which may change while we look at it: copy, check the copy, use the copy.
struct Chain {
  std::uint16_t head = 0;                      // for Queue::push
  std::vector<std::span<std::byte>> readable;  // for the device to read; comes first
  std::vector<std::span<std::byte>> writable;  // for the device to write
};

// Takes bytes from the readable part, one after the other, wherever its buffers begin and end.
class ChainReader {
 public:
  explicit ChainReader(const Chain& chain) : left_(chain.readable) {}

  // Copies as many bytes as there are, at most into.size(); returns how many.
  std::size_t read(std::span<std::byte> into);
  [[nodiscard]] std::size_t remaining() const;

 private:
  std::vector<std::span<std::byte>> left_;
  std::size_t next_ = 0;
};

// The same for the writable part.
class ChainWriter {
 public:
  explicit ChainWriter(const Chain& chain) : left_(chain.writable) {}

  std::size_t write(std::span<const std::byte> from);
  [[nodiscard]] std::size_t remaining() const;
  // What Queue::push is to be told.
  [[nodiscard]] std::uint32_t written() const { return written_; }

 private:
  std::vector<std::span<std::byte>> left_;
  std::size_t next_ = 0;
  std::uint32_t written_ = 0;
};

}  // namespace tl::virtio
