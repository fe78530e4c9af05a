// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/result.hpp"

// A device's or a machine's saved state as bytes: fields one after the other, read in the order in which they
// were written, each with its length in front (u32, little-endian). Parts begin with a mark, a short text, so
// that a reader that is out of step says where. What the bytes are for, and whether they are whole, is the
// business of the file that holds them.
namespace tl {

class StateWriter {
 public:
  void mark(std::string_view part) { put_bytes(std::as_bytes(std::span(part))); }
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    put_bytes(std::as_bytes(std::span(&value, 1)));
  }
  void put_bytes(std::span<const std::byte> bytes);  // less than 4 GiB

  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Every error is kOutOfRange: these are not the bytes of that state.
class StateReader {
 public:
  explicit StateReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  Result<void> expect(std::string_view part);
  template <typename T>
  Result<void> get(T& into) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto bytes = get_bytes();
    if (!bytes) return bytes.error();
    if (bytes->size() != sizeof into) return wrong();
    std::memcpy(&into, bytes->data(), sizeof into);
    return {};
  }
  // Lives as long as what is read from.
  Result<std::span<const std::byte>> get_bytes();
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  [[nodiscard]] Error wrong() const;
  std::span<const std::byte> rest_;
  std::string_view part_ = "its beginning";
};

}  // namespace tl
