// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "common/guest_memory.hpp"
#include "common/io.hpp"
#include "common/result.hpp"

namespace tl::machine::kvm {

// A kernel file being read: everything with an offset and a length, both checked.
class KernelFile {
 public:
  explicit KernelFile(const GuestMemory::File& file) : file_(file) {}

  [[nodiscard]] std::uint64_t bytes() const { return file_.bytes; }

  Result<void> read(std::uint64_t offset, std::span<std::byte> into) const {
    if (offset > bytes() || into.size() > bytes() - offset) return damaged("it ends too early");
    return pread_exact(file_.fd, into, offset);
  }
  template <typename T>
  Result<T> read(std::uint64_t offset) const {
    T value;
    auto done = read(offset, std::as_writable_bytes(std::span(&value, 1)));
    if (!done) return done.error();
    return value;
  }
  // `bytes` of the file into the guest.
  Result<void> load(std::uint64_t offset, std::uint64_t bytes, GuestMemory& memory, GuestAddr to) const {
    if (bytes == 0) return {};
    const auto there = memory.at(to, bytes);
    if (!there || to < GuestAddr{0x100000})
      return damaged("a part of it does not fit into the guest's memory");
    if (offset > file_.bytes || bytes > file_.bytes - offset) return damaged("it ends too early");
    return memory.load_file(to, file_, offset, bytes);
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
  GuestMemory::File file_;
};

// The formats; load_kernel() chooses.
struct LoadedKernel;
enum class BootProtocol;
Result<LoadedKernel> load_elf(const KernelFile& file, const Elf64_Ehdr& head, GuestMemory& memory,
                              BootProtocol preferred);
Result<LoadedKernel> load_bzimage(const KernelFile& file, GuestMemory& memory);

}  // namespace tl::machine::kvm
