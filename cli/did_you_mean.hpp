// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tl::cli {

// The candidate that `word` is most likely a slip of: at most a third of its letters (at least one) left out,
// added, changed or swapped with their neighbour. Empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace tl::cli
