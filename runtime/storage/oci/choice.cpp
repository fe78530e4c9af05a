// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/choice.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/printable.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::size_t kMaxShown = 80;
constexpr std::size_t kMostNames = 12;

}  // namespace

std::string familiar(std::string_view name) {
  for (const std::string_view prefix : {"docker.io/", "library/"}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  return std::string(name);
}

Error not_chosen(const std::string& wanted, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const bool shortened = names.size() > kMostNames;
  if (shortened) names.resize(kMostNames);
  for (auto& name : names) name = make_printable(name, kMaxShown);
  const std::string list = names.empty()
                               ? "none that has a name"
                               : fmt::format("{}{}", fmt::join(names, ", "), shortened ? ", ..." : "");
  if (wanted.empty()) {
    return Error{ErrorCode::kOutOfRange, fmt::format("there are several images: {}", list),
                 "say which one: PATH:NAME"};
  }
  return Error{ErrorCode::kNotFound,
               fmt::format("there is no image \"{}\" in it, but {}", make_printable(wanted, kMaxShown), list),
               ""};
}

std::string_view host_architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#endif
}

Result<void> check_platform(const std::string& os, const std::string& architecture) {
  const bool right =
      (os.empty() || os == "linux") && (architecture.empty() || architecture == host_architecture());
  if (right) return {};
  return Error{ErrorCode::kOutOfRange,
               fmt::format("the image is for {}/{}, and not for linux/{}", make_printable(os, kMaxShown),
                           make_printable(architecture, kMaxShown), host_architecture()),
               ""};
}

}  // namespace tl::storage::oci
