// SPDX-License-Identifier: Apache-2.0
#include "common/log.hpp"

#include <unistd.h>

#include "common/time.hpp"

namespace tl {

void Log::line(std::string_view text) const {
  const std::string whole = fmt::format("{} {}\n", format_utc(std::chrono::system_clock::now()), text);
  [[maybe_unused]] const ssize_t ignored = ::write(fd_, whole.data(), whole.size());
}

}  // namespace tl
