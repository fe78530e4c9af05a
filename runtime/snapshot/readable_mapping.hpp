// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "common/result.hpp"

namespace tl::snapshot {

// The contents of a file as memory that is only given to system calls: they fail with EFAULT where somebody
// has cut the file off, while a load of ours would end the process.
class ReadableMapping {
 public:
  static Result<ReadableMapping> create(int file, std::uint64_t bytes) {
    void* const at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) return errno_error("map the file");
    return ReadableMapping({static_cast<const std::byte*>(at), bytes});
  }
  ReadableMapping(ReadableMapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  ReadableMapping& operator=(ReadableMapping&&) = delete;
  ~ReadableMapping() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit ReadableMapping(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace tl::snapshot
