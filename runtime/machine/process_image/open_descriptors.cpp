// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/open_descriptors.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "common/io.hpp"

namespace tl::machine {
namespace {

constexpr std::size_t kInfoBytes = 16 << 10;
constexpr int kOctal = 8;
constexpr int kHexadecimal = 16;

std::optional<std::uint64_t> field(std::string_view text, std::string_view name, int base) {
  std::size_t at = text.starts_with(name) ? 0 : text.find(fmt::format("\n{}", name));
  if (at == std::string_view::npos) return std::nullopt;
  at = text.find_first_not_of(" \t", text.find(':', at) + 1);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data() + at, text.data() + text.size(), value, base);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

}  // namespace

Result<void> parse_descriptor(std::string_view fdinfo, OpenDescriptor& descriptor) {
  const auto flags = field(fdinfo, "flags:", kOctal);
  if (!flags) return Error{ErrorCode::kFailure, "the kernel does not tell about a descriptor", ""};
  descriptor.flags = static_cast<int>(*flags);
  if (descriptor.target == "anon_inode:[eventfd]") {
    descriptor.kind = OpenDescriptor::Kind::kEvent;
    descriptor.event_count = field(fdinfo, "eventfd-count:", kHexadecimal).value_or(0);
    descriptor.event_semaphore = field(fdinfo, "eventfd-semaphore:", kHexadecimal).value_or(0) != 0;
  } else if (descriptor.target == "anon_inode:[signalfd]") {
    descriptor.kind = OpenDescriptor::Kind::kSignal;
    descriptor.signal_mask = field(fdinfo, "sigmask:", kHexadecimal).value_or(0);
  } else if (!descriptor.target.starts_with("anon_inode:")) {
    descriptor.kind = OpenDescriptor::Kind::kFile;
  }
  return {};
}

Result<std::vector<OpenDescriptor>> descriptors_of(pid_t pid) {
  std::vector<OpenDescriptor> descriptors;
  std::error_code error;
  const std::filesystem::path folder = fmt::format("/proc/{}/fd", pid);
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    OpenDescriptor descriptor;
    std::from_chars(name.data(), name.data() + name.size(), descriptor.number);
    descriptor.target = std::filesystem::read_symlink(at->path(), error);
    if (error) break;
    struct stat status = {};
    if (::stat(at->path().c_str(), &status) != 0) return errno_error("look at a descriptor");
    descriptor.device = status.st_dev;
    descriptor.inode = status.st_ino;
    const auto info = read_file(AT_FDCWD, fmt::format("/proc/{}/fdinfo/{}", pid, name), kInfoBytes);
    if (!info) return info.error();
    if (auto parsed = parse_descriptor(*info, descriptor); !parsed) return parsed.error();
    descriptors.push_back(std::move(descriptor));
  }
  if (error) return errno_error(error.value(), "list the descriptors");
  std::sort(descriptors.begin(), descriptors.end(),
            [](const OpenDescriptor& a, const OpenDescriptor& b) { return a.number < b.number; });
  return descriptors;
}

}  // namespace tl::machine
