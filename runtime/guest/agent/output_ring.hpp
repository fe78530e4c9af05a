// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tl::guest {

// The last bytes of an output, at most `capacity` of them, each with its position since the beginning. Memory
// grows with what was written, up to the capacity. Readers keep their own positions.
class OutputRing {
 public:
  explicit OutputRing(std::size_t capacity) : capacity_(capacity) {}

  // Forgets the oldest bytes for which there is no room.
  void push(std::span<const std::byte> bytes);

  [[nodiscard]] std::uint64_t begin() const { return end_ - held_.size(); }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  // What is held from there on, as far as it lies in one piece; valid until the next push(). Begins later
  // when `position` is forgotten already; empty at the end.
  [[nodiscard]] std::span<const std::byte> from(std::uint64_t position) const;

 private:
  std::size_t capacity_;
  std::vector<std::byte> held_;  // at capacity: the byte of position p is at p % capacity
  std::uint64_t end_ = 0;
};

}  // namespace tl::guest
