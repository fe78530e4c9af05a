// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tl::build {

// "<<EOF", "<<-EOF", "<<'EOF'", "0<<EOF" as a word of an instruction.
struct HeredocName {
  std::string name;
  enum class Tabs { kKept, kStripped } tabs = Tabs::kKept;
};

// In the order in which their bodies follow. A word in quotes is none, nor is "<<<".
std::vector<HeredocName> find_heredocs(std::string_view text, char escape);

}  // namespace tl::build
