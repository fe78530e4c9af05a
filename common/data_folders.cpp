// SPDX-License-Identifier: Apache-2.0
#include "common/data_folders.hpp"

#include <unistd.h>

#include <array>
#include <climits>
#include <string>

#include <fmt/format.h>

namespace tl {

std::vector<std::filesystem::path> data_folders() {
  std::vector<std::filesystem::path> folders;
  std::array<char, PATH_MAX> executable;
  const ssize_t length = ::readlink("/proc/self/exe", executable.data(), executable.size());
  if (length > 0) {
    const std::filesystem::path program(std::string(executable.data(), static_cast<std::size_t>(length)));
    folders.push_back(program.parent_path().parent_path() / "share/tl");
  }
  folders.emplace_back("/usr/local/share/tl");
  folders.emplace_back("/usr/share/tl");
  return folders;
}

Result<std::filesystem::path> find_kernel(const std::vector<std::filesystem::path>& folders) {
  std::string looked;
  for (const auto& folder : folders) {
    const auto kernel = folder / "kernel/vmlinux";
    std::error_code failed;
    if (std::filesystem::is_regular_file(kernel, failed)) return kernel;
    looked += (looked.empty() ? "" : ", ") + kernel.string();
  }
  return Error{ErrorCode::kHostLacks, fmt::format("there is no guest kernel (looked for {})", looked),
               "make one with ./dev build, or install tl with ./dev install"};
}

}  // namespace tl
