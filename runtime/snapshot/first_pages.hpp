// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/snapshot/page_set.hpp"

// The pages that a guest needs first when it goes on from a template. Those that it writes to are copied
// together, and where KVM can, all of them are mapped for the guest before it runs, which else stops once for
// each, or twice: to read it, and to write to it. Advice only: wrong pages cost memory and time, missing ones
// cost what they always did.
namespace tl::snapshot {

// At most, in pages: 16 MiB that are copied and 64 MiB that are mapped. A guest that needs more has not just
// begun.
inline constexpr std::uint64_t kMaxFirstWrites = 4096;
inline constexpr std::uint64_t kMaxFirstReads = 16384;

// As a template's details have them: "3 17+4", page 3 and four pages from 17 on. Empty when there are more
// than `most`.
[[nodiscard]] std::string page_list_text(const PageSet& pages, std::uint64_t most);
// Of a memory of `pages` pages. Empty when the text is none, names pages beyond the memory or more than
// `most`.
[[nodiscard]] PageSet page_list_from(std::string_view text, std::uint64_t pages, std::uint64_t most);

// Gives these pages of private mappings at `ram` copies of their own. What the host does not know how to do,
// or has no memory for, is left to the guest.
void copy_in_advance(std::span<std::byte> ram, const PageSet& pages);

}  // namespace tl::snapshot
