// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "common/result.hpp"

// Where tl finds what was installed with it and is only read: the guest kernel and ready-made images. The
// first of <folder of the executable>/../share/tl, /usr/local/share/tl, /usr/share/tl that has what is asked
// for.
namespace tl {

// In search order; need not exist.
std::vector<std::filesystem::path> data_folders();

// The guest kernel, kernel/vmlinux in one of the folders; kHostLacks with the cure when there is none.
Result<std::filesystem::path> find_kernel(const std::vector<std::filesystem::path>& folders);

}  // namespace tl
