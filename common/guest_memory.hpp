// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "common/result.hpp"

namespace tl {

// A guest-physical address, in bytes.
struct GuestAddr {
  std::uint64_t value = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): a false alarm about what the compiler makes of it
  auto operator<=>(const GuestAddr&) const = default;
};
constexpr GuestAddr operator+(GuestAddr at, std::uint64_t bytes) {
  return {at.value + bytes};  // may wrap: GuestMemory refuses what is outside
}

// Where a guest's RAM ends below 4 GiB; from there to 4 GiB are devices and interrupt controllers.
inline constexpr std::uint64_t kHoleStart = std::uint64_t{3} << 30;
inline constexpr std::uint64_t kHoleEnd = std::uint64_t{4} << 30;

// The RAM of a guest: anonymous memory of this process, which the host gives page by page as it is touched.
// One range here; for the guest one region below kHoleStart and, when there is more, a second one from
// kHoleEnd on.
//
// The guest writes to it at any moment, also while a device reads it: copy a value once (load), check the
// copy, use the copy. This class is the one door from guest addresses to host pointers: nothing else
// calculates one. Any thread; lives longer than everybody who uses it.
class GuestMemory {
 public:
  struct Region {
    GuestAddr start;
    std::uint64_t bytes = 0;
    std::byte* host = nullptr;
  };

  // `bytes`: a multiple of 4096, more than 0. kHostLacks when the host will not map as much.
  static Result<GuestMemory> create(std::uint64_t bytes);
  GuestMemory(GuestMemory&& other) noexcept;
  GuestMemory& operator=(GuestMemory&&) = delete;
  ~GuestMemory();

  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return ram_.size(); }
  // All of it, the regions one after the other; at a multiple of 2 MiB. Whoever restores a guest may map over
  // it (MAP_FIXED) before anybody else has looked.
  [[nodiscard]] std::span<std::byte> ram() const { return ram_; }

  // The host's view of a range; nothing unless all of it lies in one region. An empty range is refused too.
  [[nodiscard]] std::optional<std::span<std::byte>> at(GuestAddr start, std::uint64_t bytes) const;

  // Copies, or refuses as at() does. The guest may change the bytes meanwhile: a copy may be torn, and is
  // then the guest's own fault.
  [[nodiscard]] bool read(GuestAddr from, std::span<std::byte> into) const;
  [[nodiscard]] bool write(GuestAddr to, std::span<const std::byte> from) const;

  template <typename T>
  [[nodiscard]] std::optional<T> load(GuestAddr from) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    if (!read(from, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }
  template <typename T>
  [[nodiscard]] bool store(GuestAddr to, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return write(to, std::as_bytes(std::span(&value, 1)));
  }

  // Whether a process that is forked has this memory, too, copy-on-write. At first it has not, and whoever
  // maps over ram() says so again: a fork marks every page for copying, which takes huge pages from a guest
  // that runs.
  Result<void> give_to_children(bool given) const;

  // Gives the pages of a range back to the host; they read afterwards as they did before anybody wrote to
  // them: as zeroes, or as a restored guest's saved memory. `start` and `bytes` are multiples of 4096. False
  // where at() would refuse.
  [[nodiscard]] bool release(GuestAddr start, std::uint64_t bytes) const;
  // The same for a range that at() gave.
  [[nodiscard]] bool release(std::span<std::byte> range) const;

 private:
  GuestMemory(std::span<std::byte> mapping, std::span<std::byte> ram);
  std::span<std::byte> mapping_;  // with what is around for the sake of alignment, and never touched
  std::span<std::byte> ram_;
  std::vector<Region> regions_;
};

}  // namespace tl
