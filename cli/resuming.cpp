// SPDX-License-Identifier: Apache-2.0
#include "cli/resuming.hpp"

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace tl::cli {

Runtime::Progress tell_of_resuming(Context& context, const std::string& sandbox) {
  if (!context.error_terminal().is_terminal()) return {};
  return [&context, &sandbox, told = false](std::string_view) mutable {
    if (std::exchange(told, true)) return;
    context.error().line(fmt::format("Resuming sandbox {}...", sandbox));
    static_cast<void>(context.error().flush());
  };
}

}  // namespace tl::cli
