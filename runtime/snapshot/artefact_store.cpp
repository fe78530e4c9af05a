// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/artefact_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "common/atomic_file.hpp"
#include "common/io.hpp"
#include "runtime/snapshot/regular_file.hpp"

// Three flocks on an artefact's folder, told by its manifest: exclusive without one is its maker, or somebody
// who removes what a dead maker left; exclusive with one is somebody who is about to remove it; shared is a
// reader. Nobody waits for any of them. The lock of the store covers what two makers, or a maker and a sweep,
// must not do at once: a folder is between mkdir(2) and flock(2) in nobody's hands.
namespace tl::snapshot {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockFile = ".lock";
constexpr std::size_t kMaxKeyLength = 128;

bool has_manifest(int folder) {
  return ::faccessat(folder, ArtefactStore::kManifestFile, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<void> remove_inside(const fs::path& folder) {
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed); !failed && at != fs::directory_iterator();
       at.increment(failed))
    fs::remove_all(at->path(), failed);
  if (failed) return errno_error(failed.value(), "remove what is in " + folder.string());
  return {};
}

}  // namespace

Result<ArtefactStore> ArtefactStore::open(const fs::path& folder, std::string noun) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("make " + folder.string());
  auto fd = open_at(AT_FDCWD, folder.string(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return fd.error();
  return ArtefactStore(folder, *std::move(fd), std::move(noun));
}

bool ArtefactStore::is_key(std::string_view text) {
  const auto is_base36 = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
  return !text.empty() && text.size() <= kMaxKeyLength && is_base36(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return is_base36(c) || std::string_view(":._-").find(c) != std::string_view::npos;
         });
}

Error ArtefactStore::not_found(const std::string& key) const {
  return Error{ErrorCode::kNotFound, fmt::format("there is no {} {}", noun_, key), ""};
}

Error ArtefactStore::conflict(const std::string& key, std::string_view why) const {
  return Error{ErrorCode::kConflict, fmt::format("{} {} {}", noun_, key, why), ""};
}

Result<FileLock> ArtefactStore::lock() const {
  return FileLock::acquire(folder_.get(), kLockFile);
}

Result<std::optional<UniqueFd>> ArtefactStore::lock_folder(const std::string& key, int operation) const {
  if (!is_key(key)) return std::optional<UniqueFd>();
  UniqueFd folder(::openat(folder_.get(), key.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder && errno == ENOENT) return std::optional<UniqueFd>();
  if (!folder) return errno_error("open " + (path_ / key).string());
  if (::flock(folder.get(), operation | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::optional<UniqueFd>();
    return errno_error("lock " + (path_ / key).string());
  }
  // Whoever removed it before we had the lock has left us a folder that is nowhere.
  struct stat ours {};
  struct stat present {};
  if (::fstat(folder.get(), &ours) != 0 ||
      ::fstatat(folder_.get(), key.c_str(), &present, AT_SYMLINK_NOFOLLOW) != 0 ||
      ours.st_ino != present.st_ino)
    return std::optional<UniqueFd>();
  return std::optional(std::move(folder));
}

Result<ArtefactDraft> ArtefactStore::begin(const std::string& key) {
  if (!is_key(key))
    return Error{ErrorCode::kOutOfRange, fmt::format("no {} can be called {}", noun_, key), ""};
  const auto guard = lock();
  if (!guard) return guard.error();
  const fs::path path = path_ / key;
  if (::mkdirat(folder_.get(), key.c_str(), 0700) != 0 && errno != EEXIST)
    return errno_error("make " + path.string());
  auto folder = lock_folder(key, LOCK_EX);
  if (!folder) return folder.error();
  if (!*folder) return conflict(key, "is being made or used by another process");
  if (has_manifest((*folder)->get())) return conflict(key, "exists already");
  if (auto emptied = remove_inside(path); !emptied) return emptied.error();
  return ArtefactDraft(key, path, std::move(**folder));
}

Result<std::vector<std::string>> ArtefactStore::entries() const {
  std::vector<std::string> found;
  std::error_code failed;
  for (fs::directory_iterator at(path_, failed); !failed && at != fs::directory_iterator();
       at.increment(failed)) {
    std::string name = at->path().filename().string();
    std::error_code ignored;
    if (is_key(name) && at->symlink_status(ignored).type() == fs::file_type::directory)
      found.push_back(std::move(name));
  }
  if (failed) return errno_error(failed.value(), "list " + path_.string());
  return found;
}

Result<std::vector<std::string>> ArtefactStore::keys() const {
  auto found = entries();
  if (!found) return found.error();
  std::erase_if(*found, [&](const std::string& key) {
    const std::string manifest = key + "/" + kManifestFile;
    return ::faccessat(folder_.get(), manifest.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0;
  });
  return found;
}

Result<std::string> ArtefactStore::manifest(const std::string& key) const {
  if (!is_key(key)) return not_found(key);
  const auto folder = open_at(folder_.get(), key, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return not_found(key);
  const auto within = [&](const Error& error) { return error.within(fmt::format("{} {}", noun_, key)); };
  const auto file = open_regular_file(folder->get(), kManifestFile, O_RDONLY);
  if (!file) return file.error().code == ErrorCode::kNotFound ? not_found(key) : within(file.error());
  auto text = read_to_end(file->fd.get(), kMaxManifestBytes);
  if (!text) return within(text.error().within(kManifestFile));
  return text;
}

Result<ArtefactPin> ArtefactStore::pin(const std::string& key) const {
  auto folder = lock_folder(key, LOCK_SH);
  if (!folder) return folder.error();
  if (!*folder) return not_found(key);
  auto text = manifest(key);
  if (!text) return text.error();
  return ArtefactPin(path_ / key, std::move(**folder), *std::move(text));
}

Result<void> ArtefactStore::amend(const ArtefactPin& pin, std::string_view manifest) const {
  return replace_file(pin.fd(), kManifestFile, manifest, Durability::kLazy);
}

Result<void> ArtefactStore::remove(const std::string& key) {
  const auto folder = lock_folder(key, LOCK_EX);
  if (!folder) return folder.error();
  if (!*folder)
    return manifest(key) ? conflict(key, "is in use: something is being made from it") : not_found(key);
  const int fd = (*folder)->get();
  if (!has_manifest(fd)) return not_found(key);
  const fs::path path = path_ / key;
  if (::unlinkat(fd, kManifestFile, 0) != 0) return errno_error("remove the manifest in " + path.string());
  if (::fsync(fd) != 0) return errno_error("sync " + path.string());
  std::error_code failed;
  fs::remove_all(path, failed);
  if (failed) return errno_error(failed.value(), "remove " + path.string());
  return {};
}

Result<std::size_t> ArtefactStore::sweep() {
  // Taken under the lock of the store, removed without: that may take its time.
  std::vector<std::pair<std::string, UniqueFd>> taken;
  {
    const auto guard = lock();
    if (!guard) return guard.error();
    auto found = entries();
    if (!found) return found.error();
    for (std::string& key : *found) {
      auto folder = lock_folder(key, LOCK_EX);
      if (!folder) return folder.error();
      if (*folder && !has_manifest((*folder)->get())) taken.emplace_back(std::move(key), std::move(**folder));
    }
  }
  for (const auto& [key, folder] : taken) {
    std::error_code failed;
    fs::remove_all(path_ / key, failed);
    if (failed) return errno_error(failed.value(), "remove " + (path_ / key).string());
  }
  return taken.size();
}

Result<std::int64_t> ArtefactStore::last_used_ns(const std::string& key) const {
  struct stat status {};
  const std::string manifest_file = key + "/" + kManifestFile;
  if (!is_key(key) || ::fstatat(folder_.get(), manifest_file.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return not_found(key);
  constexpr std::int64_t kNanosecondsOfSecond = 1'000'000'000;
  return status.st_mtim.tv_sec * kNanosecondsOfSecond + status.st_mtim.tv_nsec;
}

Result<void> ArtefactStore::touch(const ArtefactPin& pin) const {
  if (::utimensat(pin.fd(), kManifestFile, nullptr, AT_SYMLINK_NOFOLLOW) != 0)
    return errno_error("touch " + pin.path().string());
  return {};
}

}  // namespace tl::snapshot
