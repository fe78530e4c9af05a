// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/document_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/registry/document.hpp"
#include "runtime/registry/identifier.hpp"
#include "runtime/registry/paths.hpp"

namespace tl::registry {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kTempSuffix = ".tmp";

std::string file_name(const std::string& id) {
  return id + std::string(kSuffix);
}

// The ID in "<id>.json", else "".
std::string_view id_in(std::string_view file) {
  if (file.size() != kIdLength + kSuffix.size() || !file.ends_with(kSuffix)) return "";
  const auto id = file.substr(0, kIdLength);
  return is_sandbox_id(id) ? id : "";
}

// ".<name>.<random>.tmp", as replace_file() calls its temp files.
bool is_temp_file(std::string_view file) {
  return file.starts_with('.') && file.ends_with(kTempSuffix);
}

FileStamp stamp_of(const struct stat& status) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  return {status.st_ino, status.st_ctim.tv_sec * kSecond + status.st_ctim.tv_nsec,
          static_cast<std::uint64_t>(status.st_size)};
}

}  // namespace

Result<DocumentFolder::Contents> DocumentFolder::contents() const {
  const auto entries = folder_entries(sandboxes_.get());
  if (!entries) return entries.error();
  Contents found;
  found.ids.reserve(entries->size());
  for (const std::string& entry : *entries) {
    if (const auto id = id_in(entry); !id.empty()) {
      found.ids.emplace_back(id);
    } else if (is_temp_file(entry)) {
      const auto of = id_in(std::string_view(entry).substr(1, kIdLength + kSuffix.size()));
      found.temp_files.push_back({entry, std::string(of)});
    }
  }
  return found;
}

Result<RawDocument> DocumentFolder::read(const std::string& id) const {
  // O_NONBLOCK: a FIFO in its place must not hold us up.
  const UniqueFd fd(
      ::openat(sandboxes_.get(), file_name(id).c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT) return no_such_sandbox(id);
  if (!fd && (errno == ELOOP || errno == ENXIO)) return RawDocument{{}, "", "it is not a regular file"};
  if (!fd) return errno_error("read " + path_of(id).string());
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error("read " + path_of(id).string());
  RawDocument document{stamp_of(status), "", ""};
  if (!S_ISREG(status.st_mode)) {
    document.flaw = "it is not a regular file";
  } else if (document.stamp.size > kMaxDocumentBytes) {
    document.flaw = "it is larger than 1 MiB";
  } else {
    document.text.resize(document.stamp.size);
    if (auto whole = read_exact(fd.get(), std::as_writable_bytes(std::span(document.text))); !whole) {
      return whole.error().within(path_of(id).string());
    }
  }
  return document;
}

Result<FileStamp> DocumentFolder::stamp(const std::string& id) const {
  struct stat status {};
  if (::fstatat(sandboxes_.get(), file_name(id).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return stamp_of(status);
  }
  if (errno == ENOENT) return no_such_sandbox(id);
  return errno_error("read " + path_of(id).string());
}

bool DocumentFolder::exists(const std::string& id) const {
  return ::faccessat(sandboxes_.get(), file_name(id).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<void> DocumentFolder::write(const std::string& id, std::string_view text,
                                   Durability durability) const {
  return replace_file(sandboxes_.get(), file_name(id), text, durability);
}

Result<void> DocumentFolder::remove(const std::string& id) const {
  if (::unlinkat(sandboxes_.get(), file_name(id).c_str(), 0) == 0 || errno == ENOENT) return {};
  return errno_error("remove " + path_of(id).string());
}

void DocumentFolder::remove_temp_file(const std::string& name) const {
  ::unlinkat(sandboxes_.get(), name.c_str(), 0);
}

// Made when somebody asks for it, which is hardly ever.
Result<UniqueFd> DocumentFolder::open_damaged() const {
  const std::filesystem::path folder = path_ / layout::kDamaged;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("make " + folder.string());
  return open_at(AT_FDCWD, folder.string(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<std::filesystem::path> DocumentFolder::set_aside(const std::string& id,
                                                        const std::string& reason) const {
  const std::string name = file_name(id) + "." + random_base36(8);
  const auto damaged = open_damaged();
  if (!damaged) return damaged.error();
  // The reason first: should we be killed in between, a reason without a document harms nobody.
  [[maybe_unused]] const auto noted =
      replace_file(damaged->get(), name + ".reason", reason + "\n", Durability::kLazy);
  if (::renameat(sandboxes_.get(), file_name(id).c_str(), damaged->get(), name.c_str()) != 0) {
    return errno_error("set aside " + path_of(id).string());
  }
  return path_ / layout::kDamaged / name;
}

bool DocumentFolder::was_set_aside(const std::string& id) const {
  // Not knowing is no reason to throw away what belongs to it.
  const auto damaged = open_damaged();
  if (!damaged) return true;
  const auto entries = folder_entries(damaged->get());
  if (!entries) return true;
  return std::any_of(entries->begin(), entries->end(),
                     [&](const std::string& entry) { return entry.starts_with(file_name(id)); });
}

std::filesystem::path DocumentFolder::path_of(const std::string& id) const {
  return path_ / layout::kSandboxes / file_name(id);
}

Error no_such_sandbox(const std::string& id) {
  return Error{ErrorCode::kNotFound, "no sandbox has the ID " + id, "`tl sbx ls` lists the sandboxes"};
}

Result<std::vector<std::string>> folder_entries(int dir_fd) {
  // A new open file: the position of a shared one would be shared too.
  auto fd = open_at(dir_fd, ".", O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  struct Close {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };
  const std::unique_ptr<DIR, Close> folder(::fdopendir(fd->get()));
  if (!folder) return errno_error("list a folder");
  [[maybe_unused]] const int now_owned_by_folder = fd->release();
  std::vector<std::string> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr && errno != 0) return errno_error("list a folder");
    if (entry == nullptr) return entries;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.emplace_back(name);
  }
}

}  // namespace tl::registry
