// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/snapshot/page_set.hpp"

// The pages that a guest writes to first when it goes on from a template. Known in advance they are copied
// together, and the guest stops once for each and not twice: to read it, and to write to it. Advice only:
// wrong pages cost memory and time, missing ones cost what they always did.
namespace tl::snapshot {

// What is copied in advance at most, in pages: 16 MiB. A guest that writes to more than that has not just
// begun.
inline constexpr std::uint64_t kMaxFirstWrites = 4096;

// As a template's details have them: "3 17+4", page 3 and four pages from 17 on. Empty when there are too
// many.
[[nodiscard]] std::string first_writes_text(const PageSet& pages);
// Of a memory of `pages` pages. Empty when the text is none, names pages beyond the memory or too many.
[[nodiscard]] PageSet first_writes_from(std::string_view text, std::uint64_t pages);

// Gives these pages of private mappings at `ram` copies of their own. What the host does not know how to do,
// or has no memory for, is left to the guest.
void copy_in_advance(std::span<std::byte> ram, const PageSet& pages);

}  // namespace tl::snapshot
