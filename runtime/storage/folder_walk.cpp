// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/folder_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "common/unique_fd.hpp"

namespace tl::storage {
namespace {

// By its path each time, so that a deep tree needs no descriptor for each of its levels.
Result<UniqueFd> open_folder(int root, const std::string& path) {
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const std::string named = path.empty() ? "." : path;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, named.c_str(), &how, sizeof how)));
  if (!fd) return errno_error("open " + named);
  return fd;
}

Result<std::vector<std::string>> names_in(const UniqueFd& folder) {
  const int copy = ::fcntl(folder.get(), F_DUPFD_CLOEXEC, 0);  // closedir() closes it
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy), &::closedir);
  if (!stream) return errno_error("list a folder");
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return errno_error("list a folder");
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<void> walk_folder(int root, const std::function<Result<void>(const FolderEntry&)>& visit) {
  FolderEntry top{"", root, ".", {}};
  if (::fstat(root, &top.status) != 0) return errno_error("stat the folder");
  if (auto visited = visit(top); !visited) return visited;
  std::vector<std::string> folders{""};  // to be listed
  while (!folders.empty()) {
    const std::string path = std::move(folders.back());
    folders.pop_back();
    const auto folder = open_folder(root, path);
    if (!folder) return folder.error();
    const auto names = names_in(*folder);
    if (!names) return names.error().within(path);
    for (const auto& name : *names) {
      FolderEntry entry{path.empty() ? name : path + "/" + name, folder->get(), name, {}};
      if (::fstatat(folder->get(), name.c_str(), &entry.status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno_error("stat " + entry.path);
      if (auto visited = visit(entry); !visited) return visited;
      if (S_ISDIR(entry.status.st_mode) && entry.status.st_dev == top.status.st_dev)
        folders.push_back(entry.path);
    }
  }
  return {};
}

}  // namespace tl::storage
