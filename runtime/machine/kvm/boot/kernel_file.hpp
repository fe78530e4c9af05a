// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "common/guest_memory.hpp"
#include "common/io.hpp"
#include "common/result.hpp"

namespace tl::machine::kvm {

// A kernel file being read, which is borrowed: everything with an offset and a length, both checked.
class KernelFile {
 public:
  KernelFile(int fd, std::uint64_t bytes) : fd_(fd), bytes_(bytes) {}

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  // What all formats look at first is read once.
  Result<void> read_head() {
    const auto there = std::span(head_).first(std::min<std::uint64_t>(head_.size(), bytes()));
    auto read = pread_exact(fd_, there, 0);
    if (read) head_bytes_ = there.size();
    return read;
  }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) const {
    if (offset > bytes() || into.size() > bytes() - offset) return damaged("it ends too early");
    if (offset > head_bytes_ || into.size() > head_bytes_ - offset) return pread_exact(fd_, into, offset);
    std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }
  template <typename T>
  Result<T> read(std::uint64_t offset) const {
    T value;
    auto done = read(offset, std::as_writable_bytes(std::span(&value, 1)));
    if (!done) return done.error();
    return value;
  }
  // `bytes` of the file into the guest.
  Result<void> load(std::uint64_t offset, std::uint64_t bytes, const GuestMemory& memory,
                    GuestAddr to) const {
    if (bytes == 0) return {};
    const auto there = memory.at(to, bytes);
    if (!there || to < GuestAddr{0x100000})
      return damaged("a part of it does not fit into the guest's memory");
    return read(offset, *there);
  }

  // Bytes of the file, looked at by offset.
  class Bytes {
   public:
    explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
    template <typename T>
    [[nodiscard]] std::optional<T> get(std::uint64_t offset) const {
      if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) return std::nullopt;
      T value;
      std::memcpy(&value, bytes_.data() + offset, sizeof value);
      return value;
    }

   private:
    std::span<const std::byte> bytes_;
  };

  static Error damaged(const std::string& why) { return Error{ErrorCode::kOutOfRange, why, ""}; }

 private:
  int fd_;
  std::uint64_t bytes_;
  std::array<std::byte, 4096> head_;
  std::size_t head_bytes_ = 0;
};

// The formats; load_kernel() chooses.
struct LoadedKernel;
enum class BootProtocol;
Result<LoadedKernel> load_elf(const KernelFile& file, const Elf64_Ehdr& head, const GuestMemory& memory,
                              BootProtocol preferred);
Result<LoadedKernel> load_bzimage(const KernelFile& file, const GuestMemory& memory);

}  // namespace tl::machine::kvm
