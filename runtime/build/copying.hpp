// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/build/build_context.hpp"
#include "runtime/build/build_watch.hpp"
#include "runtime/build/dockerfile.hpp"
#include "runtime/build/guest.hpp"
#include "runtime/build/stage_state.hpp"

namespace tl::build {

// A COPY or ADD whose words are known.
struct CopyOrder {
  std::vector<std::string> sources;  // as written, variables put in
  std::string destination;           // absolute; ends with a slash where a folder is meant
  std::string owner;                 // as written; empty: not said
  std::string mode;                  // octal digits; empty: not said
  enum class Archives { kAsTheyAre, kUnpacked } archives = Archives::kAsTheyAre;
};

// kOutOfRange.
Result<CopyOrder> copy_order(const Instruction& instruction, const StageState& state, char escape);

// From the context. What is copied is root's unless said otherwise.
Result<void> copy_from_context(const CopyOrder& order, const BuildContext& context, Guest& to,
                               const BuildWatch& watch);
// From another sandbox, whose owners and permissions are kept unless said otherwise. Neither is trusted:
// bytes go from one to the other and are looked at by neither side's host.
Result<void> copy_from_guest(const CopyOrder& order, Guest& from, Guest& to);

}  // namespace tl::build
