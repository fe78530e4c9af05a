// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_context.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/build/glob.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 300;
constexpr std::uint64_t kNoLinks = RESOLVE_NO_SYMLINKS;

std::string shown(const std::string& path) {
  return make_printable(path.empty() ? "." : path, kShownBytes);
}

int open_beneath(int folder, const std::string& path, int flags, std::uint64_t also) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | also;
  const char* name = path.empty() ? "." : path.c_str();
  long fd = 0;
  // EAGAIN: something was moved meanwhile, so that the kernel could not be sure.
  do fd = ::syscall(SYS_openat2, folder, name, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return static_cast<int>(fd);
}

std::string real_path_of(int fd) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length =
      ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
  target.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return target;
}

std::string child(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

Result<BuildContext> BuildContext::open(const std::string& folder, DockerIgnore ignore) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR))
    return Error{ErrorCode::kNotFound, "there is no folder " + shown(folder), ""};
  if (!fd) return errno_error("open " + shown(folder));
  std::string real_path = real_path_of(fd.get());
  return BuildContext(std::move(fd), std::move(real_path), std::move(ignore));
}

// Below the context, by what the kernel calls it now.
Result<std::string> BuildContext::path_of(int fd) const {
  const std::string path = real_path_of(fd);
  if (path == real_path_) return std::string();
  const std::string prefix = real_path_ == "/" ? "/" : real_path_ + "/";
  if (!path.starts_with(prefix)) return Error{ErrorCode::kFailure, "the context was moved", ""};
  return path.substr(prefix.size());
}

Result<BuildContext::Source> BuildContext::source_at(const std::string& path) const {
  Source source{path, last_part(path)};
  UniqueFd fd(open_beneath(folder_.get(), path, O_PATH, 0));
  if (!fd) {
    const int why = errno;
    // The last part itself may be a link out of the context, or to nothing.
    const UniqueFd link(open_beneath(folder_.get(), path, O_PATH | O_NOFOLLOW, 0));
    if (!link && errno == EXDEV)
      return Error{ErrorCode::kFailure, shown(path) + " leads out of the context by a symbolic link", ""};
    if (!link && (why == ENOENT || why == ENOTDIR))
      return Error{ErrorCode::kNotFound, "there is no " + shown(path) + " in the context", ""};
    if (!link) return errno_error(why, "look at " + shown(path));
    auto real = path_of(link.get());
    if (!real) return real.error();
    source.path = *std::move(real);
    source.kind = Source::Kind::kLink;
    return source;
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error("look at " + shown(path));
  auto real = path_of(fd.get());
  if (!real) return real.error();
  source.path = *std::move(real);
  if (S_ISDIR(status.st_mode)) {
    source.kind = Source::Kind::kFolder;
  } else if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kFailure, shown(path) + " is neither a file nor a folder", ""};
  }
  return source;
}

bool BuildContext::is_left_out(const Source& source) const {
  if (source.path.empty() || !ignore_.leaves_out(source.path)) return false;
  return source.kind != Source::Kind::kFolder || !ignore_.has_exceptions();
}

Result<std::vector<BuildContext::Source>> BuildContext::find(const std::string& word) const {
  std::vector<std::string> paths = {""};
  bool is_wild = false;
  for (const std::string& part : path_parts(word)) {
    std::vector<std::string> next;
    for (const std::string& path : paths) {
      if (!is_pattern(part)) {
        next.push_back(child(path, part));
        continue;
      }
      is_wild = true;
      const auto names = names_in(path);
      if (!names) continue;  // not a folder: the pattern means something in the others
      for (const std::string& name : *names) {
        if (matches(part, name)) next.push_back(child(path, name));
      }
      if (next.size() > kMaxMatches)
        return Error{ErrorCode::kOutOfRange,
                     fmt::format("{} means more than {} files", shown(word), kMaxMatches), ""};
    }
    paths = std::move(next);
  }
  std::vector<Source> found;
  bool some_left_out = false;
  for (const std::string& path : paths) {
    auto source = source_at(path);
    // Of "*/Makefile" those folders matter that have one.
    if (!source && is_wild && source.error().code == ErrorCode::kNotFound) continue;
    if (!source) return source.error();
    // As it was typed, and where it really is.
    if (is_left_out({path, "", source->kind}) || is_left_out(*source)) {
      some_left_out = true;
      continue;
    }
    found.push_back(*std::move(source));
  }
  if (found.empty()) {
    return Error{ErrorCode::kNotFound, "there is no " + shown(word) + " in the context",
                 some_left_out ? "the .dockerignore leaves it out" : ""};
  }
  return found;
}

Result<struct stat> BuildContext::status(const std::string& path) const {
  struct stat status {};
  const UniqueFd fd(open_beneath(folder_.get(), path, O_PATH | O_NOFOLLOW, 0));
  if (!fd || ::fstat(fd.get(), &status) != 0) return errno_error("look at " + shown(path));
  return status;
}

Result<UniqueFd> BuildContext::open_below(const std::string& path) const {
  // O_NONBLOCK: not even something that has become a pipe meanwhile is waited for.
  UniqueFd fd(open_beneath(folder_.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY, kNoLinks));
  if (!fd) return errno_error("open " + shown(path));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error("look at " + shown(path));
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
    return Error{ErrorCode::kFailure, shown(path) + " is neither a file nor a folder", ""};
  return fd;
}

Result<std::string> BuildContext::link_target(const std::string& path) const {
  const UniqueFd fd(open_beneath(folder_.get(), path, O_PATH | O_NOFOLLOW, 0));
  std::string target(PATH_MAX, '\0');
  const ssize_t length = fd ? ::readlinkat(fd.get(), "", target.data(), target.size()) : -1;
  if (length < 0) return errno_error("look at " + shown(path));
  target.resize(static_cast<std::size_t>(length));
  return target;
}

Result<std::vector<std::string>> BuildContext::names_in(const std::string& path) const {
  UniqueFd fd(open_beneath(folder_.get(), path, O_RDONLY | O_DIRECTORY, 0));
  if (!fd) return errno_error("open " + shown(path));
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd.get()), &::closedir);
  if (!folder) return errno_error("read " + shown(path));
  [[maybe_unused]] const int owned_by_folder = std::move(fd).release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return errno_error("read " + shown(path));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace tl::build
