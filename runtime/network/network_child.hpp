// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/child_process.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::network {

// The network process (process.hpp), from outside. It begins without rules, and nothing passes that needs
// one. It is killed with the object, and with the thread that started it.
struct NetworkChild {
  ChildProcess process;
  UniqueFd control;  // ours
  UniqueFd words;    // what it has to say about its end, and the dynamic linker if there is no libslirp

  // `cable`: its end of the wire. `label` is for people who list processes.
  static Result<NetworkChild> start(int cable, const std::string& label);
  // All of it, once the process has ended: without line ends, at most 500 bytes.
  [[nodiscard]] std::string last_words() const;
};

}  // namespace tl::network
