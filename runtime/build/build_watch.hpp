// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "common/result.hpp"

namespace tl::build {

// Who looks on at a build, and can stop it. All of these are called on the thread that builds.
struct BuildWatch {
  std::function<void(std::string_view line)> step = [](std::string_view) {};  // "[2/5] RUN make"
  std::function<void(std::string_view sentence)> warn = [](std::string_view) {};
  std::function<void(std::string_view step)> progress = [](std::string_view) {};  // of a sandbox's start
  std::function<void(std::uint64_t bytes)> moved = [](std::uint64_t) {};  // of the image, while it is saved
  std::function<void(std::string_view sandbox)> kept = [](std::string_view) {};  // the one that failed
  std::function<bool()> stopped = [] { return false; };
  int signals = -1;  // as CreateRequest::signals; whatever comes there ends what goes on
  int output = 2;    // the descriptor that commands print to

  // kFailure when the build is to end.
  [[nodiscard]] Result<void> go_on() const {
    if (stopped()) return Error{ErrorCode::kFailure, "interrupted", ""};
    return {};
  }
};

}  // namespace tl::build
