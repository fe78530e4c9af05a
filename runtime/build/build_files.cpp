// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/io.hpp"
#include "common/printable.hpp"
#include "common/unique_fd.hpp"
#include "runtime/build/text.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 300;
constexpr std::size_t kLongestName = 63;
constexpr const char* kDockerfile = "Dockerfile";
constexpr const char* kIgnoreFile = ".dockerignore";

std::string shown(const std::string& path) {
  return make_printable(path, kShownBytes);
}

bool is_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string child(const std::string& folder, const char* name) {
  return folder + (folder.ends_with('/') ? "" : "/") + name;
}

// Nothing when there is none. One byte more than allowed is read, so that it can be refused.
Result<std::optional<std::string>> read_text(const std::string& path, std::size_t most) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return errno_error("open " + shown(path));
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kOutOfRange, shown(path) + " is not a file", ""};
  if (status.st_size > static_cast<off_t>(most))
    return Error{ErrorCode::kOutOfRange, shown(path) + " has more than " + std::to_string(most) + " bytes",
                 ""};
  auto text = read_regular(file.get(), most);
  if (!text) return text.error().within("read " + shown(path));
  return std::optional(*std::move(text));
}

Result<DockerIgnore> read_ignore(const std::string& dockerfile, const std::string& folder) {
  for (const std::string& path : {dockerfile + kIgnoreFile, child(folder, kIgnoreFile)}) {
    const auto text = read_text(path, DockerIgnore::kMaxFile);
    if (!text) return text.error();
    if (!*text) continue;
    auto ignore = DockerIgnore::parse(**text);
    if (!ignore) return ignore.error().within(shown(path));
    return ignore;
  }
  return DockerIgnore();
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// Small letters, digits, and hyphens for what is between.
std::string as_name(const std::string& text) {
  std::string name;
  for (const char c : lower_case(text)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  name = name.substr(0, kLongestName);
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name;
}

}  // namespace

std::string default_image_name(const std::string& dockerfile, const std::string& folder) {
  constexpr std::string_view kBefore = "Dockerfile.", kBehind = ".Dockerfile";
  std::string file = file_name(dockerfile);
  std::string name;
  if (file.starts_with(kBefore)) {
    name = as_name(file.substr(kBefore.size()));
  } else if (file.ends_with(kBehind)) {
    name = as_name(file.substr(0, file.size() - kBehind.size()));
  }
  std::error_code failed;
  const std::string whole = std::filesystem::weakly_canonical(folder, failed).string();
  if (name.empty()) name = as_name(file_name(failed ? folder : whole));
  // Nobody loses the image that all sandboxes are made from by not saying a name.
  return name.empty() || name == "default" ? "image" : name;
}

Result<BuildFiles> open_build(const std::string& path, const std::optional<std::string>& file) {
  std::string folder = path, dockerfile;
  if (is_folder(path)) {
    dockerfile = file.value_or(child(path, kDockerfile));
  } else if (file) {
    return Error{ErrorCode::kNotFound, "there is no folder " + shown(path), ""};
  } else {
    dockerfile = path;
    folder = std::filesystem::path(path).parent_path().string();
    if (folder.empty()) folder = ".";
  }
  const auto text = read_text(dockerfile, kMaxDockerfile);
  if (!text) return text.error();
  if (!*text) return Error{ErrorCode::kNotFound, "there is no file " + shown(dockerfile), ""};
  auto parsed = parse_dockerfile(shown(file_name(dockerfile)), **text);
  if (!parsed) return parsed.error();
  auto ignore = read_ignore(dockerfile, folder);
  if (!ignore) return ignore.error();
  auto context = BuildContext::open(folder, *std::move(ignore));
  if (!context) return context.error();
  return BuildFiles{*std::move(parsed), *std::move(context), default_image_name(dockerfile, folder)};
}

}  // namespace tl::build
