// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/atomic_file.hpp"
#include "common/result.hpp"
#include "runtime/snapshot/page_set.hpp"

namespace tl::snapshot {

inline constexpr std::uint64_t kMaxRamBytes = std::uint64_t{512} << 30;
inline constexpr std::size_t kMemoryIdLength = 16;

// What a memory file has of each page: the document `memory.map` or `memory.base.map` of FORMAT.md. Replaced
// as a whole; a memory file without its map means nothing.
struct MemoryMap {
  std::uint64_t ram_bytes = 0;
  std::string id;       // kMemoryIdLength of [0-9a-z], another one whenever the contents become others
  std::string base_id;  // of the base that this is a delta of; empty: of nothing but zeroes
  PageSet stored;       // the memory file has them
  PageSet zero;         // zero in spite of the base; disjoint from `stored`, empty without a base

  // A map of nothing, with a new id.
  static MemoryMap make(std::uint64_t ram_bytes, const std::string& base_id);

  [[nodiscard]] std::string encode() const;
  // Takes any bytes; the error says what is wrong with them.
  static Result<MemoryMap> decode(std::string_view bytes);

  Result<void> save(int folder, const char* name, Durability durability) const;
  // Refuses a map of another size of RAM. Errors begin with `name`.
  static Result<MemoryMap> load(int folder, const char* name, std::uint64_t ram_bytes);
};

}  // namespace tl::snapshot
