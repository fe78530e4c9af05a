// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/files/landing.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

namespace tl::guest {
namespace {

constexpr mode_t kFolderMode = 0777;  // less the umask

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string joined(const std::string& folder, const std::string& name) {
  return folder.back() == '/' ? folder + name : folder + "/" + name;
}

Result<UniqueFd> open_folder(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) return folder;
  if (errno == ENOENT) return Error{ErrorCode::kNotFound, "there is no folder " + path, ""};
  if (errno == ENOTDIR) return Error{ErrorCode::kConflict, path + " is not a folder", ""};
  return errno_error("open " + path);
}

// Like mkdir -p.
Result<void> make_folders(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), kFolderMode) != 0 && errno != EEXIST) {
      const int error = errno;
      struct stat there {};
      const bool is_there = ::stat(part.c_str(), &there) == 0 && S_ISDIR(there.st_mode);
      if (!is_there) return errno_error(error, "make the folder " + part);
    }
    if (end == std::string::npos) return {};
  }
}

Result<Landing> land_at(const std::string& path, Destination::Parents parents) {
  const std::size_t slash = path.rfind('/');
  std::string above = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (parents == Destination::Parents::kMake) {
    if (auto made = make_folders(above); !made) return made.error();
  }
  auto folder = open_folder(above);
  if (!folder) return folder.error();
  return Landing{*std::move(folder), path.substr(slash == std::string::npos ? 0 : slash + 1), path};
}

Result<Landing> land_in(const std::string& path, const std::string& name) {
  auto folder = open_folder(path);
  if (!folder) return folder.error();
  return Landing{*std::move(folder), name, name.empty() ? path : joined(path, name)};
}

}  // namespace

Result<Landing> find_landing(const Destination& destination, CopyKind kind) {
  const std::string path = destination.path.empty() ? "." : destination.path;
  const std::string plain = without_slashes(path);
  const bool ends_as_folder = plain.size() != path.size() || path == "/";
  struct stat there {};
  if (::stat(path.c_str(), &there) == 0) {
    if (!S_ISDIR(there.st_mode)) {
      if (kind == CopyKind::kFolder) return Error{ErrorCode::kConflict, path + " is not a folder", ""};
      // What a symbolic link of the owner's leads to is meant, and not the link.
      const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
      if (!real) return errno_error("look at " + path);
      return land_at(real.get(), Destination::Parents::kMustBeThere);
    }
    if (destination.name.empty() && kind == CopyKind::kFile) {
      return Error{ErrorCode::kConflict, path + " is a folder", "say what the file is to be called there"};
    }
    return land_in(plain, destination.name);
  }
  if (errno != ENOENT) return errno_error("look at " + path);
  if (!ends_as_folder || kind == CopyKind::kFolder) return land_at(plain, destination.parents);
  if (destination.parents == Destination::Parents::kMake) {
    if (auto made = make_folders(plain); !made) return made.error();
  }
  if (destination.name.empty()) {
    return Error{ErrorCode::kConflict, path + " is a folder", "say what the file is to be called there"};
  }
  return land_in(plain, destination.name);
}

}  // namespace tl::guest
