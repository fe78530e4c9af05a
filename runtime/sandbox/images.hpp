// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "runtime/sandbox/runtime.hpp"

namespace tl {

// Makes the image called "default" in the image store at `store` (made when missing) from the packages of
// this machine's own release, and returns its digest. Takes minutes. kHostLacks when a program or space is
// missing. `progress` may be empty.
Result<std::string> make_default_image(const std::string& store, const Runtime::Progress& progress);

}  // namespace tl
