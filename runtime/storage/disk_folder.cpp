// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/disk_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "common/atomic_file.hpp"
#include "common/io.hpp"
#include "runtime/storage/sparse_copy.hpp"

namespace tl::storage {
namespace {

class HostFolder final : public DiskFolder {
 public:
  HostFolder(UniqueFd fd, std::filesystem::path path, std::shared_ptr<const SyncSwitch> syncs)
      : fd_(std::move(fd)), path_(std::move(path)), syncs_(std::move(syncs)) {}

  Result<std::unique_ptr<DiskFile>> create_file(const std::string& name, std::uint64_t bytes) override {
    auto fd = open_at(fd_.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!fd) return fd.error();
    if (::ftruncate(fd->get(), static_cast<off_t>(bytes)) != 0) {
      const Error error = errno_error("size " + name);
      ::unlinkat(fd_.get(), name.c_str(), 0);
      return error;
    }
    return make_host_file(std::move(*fd), name, syncs_);
  }

  Result<std::unique_ptr<DiskFile>> open_file(const std::string& name, FileAccess access) override {
    // No links, no waiting for the other end of a FIFO: what lies in the folder is not trusted.
    const int flags = (access == FileAccess::kRead ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK;
    auto fd = open_at(fd_.get(), name, flags);
    if (!fd) return fd.error();
    struct stat status {};
    if (::fstat(fd->get(), &status) != 0) return errno_error("stat " + name);
    if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kFailure, name + ": not a regular file", ""};
    return make_host_file(std::move(*fd), name, syncs_);
  }

  Result<void> share_file(const std::string& name, DiskFolder& to) override {
    auto* target = dynamic_cast<HostFolder*>(&to);
    TL_CHECK(target != nullptr);
    if (::linkat(fd_.get(), name.c_str(), target->fd_.get(), name.c_str(), 0) == 0) return {};
    // Another file system, one without links, a file of another user's, or a file with all the links it can
    // have.
    if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
      return errno_error("link " + name);
    return copy_file(name, *target);
  }

  Result<void> remove_file(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0) return errno_error("remove " + name);
    return {};
  }

  Result<std::vector<std::string>> file_names() override {
    std::error_code failed;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entries(path_, failed);
    for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed))
      names.push_back(entries->path().filename().string());
    if (failed) return errno_error(failed.value(), "list " + path_.string());
    return names;
  }

  Result<std::string> read_document(const std::string& name, std::size_t limit) override {
    if (::faccessat(fd_.get(), name.c_str(), F_OK, 0) != 0 && errno == ENOENT)
      return Error{ErrorCode::kNotFound, path_.string() + " has no " + name, ""};
    auto fd = open_at(fd_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return fd.error();
    auto text = read_to_end(fd->get(), limit);
    if (!text) return text.error().within(name);
    return text;
  }

  Result<void> replace_document(const std::string& name, std::string_view text) override {
    if (syncs_ && !syncs_->is_on()) return replace_file(fd_.get(), name, text, Durability::kLazy);
    if (::fsync(fd_.get()) != 0) return errno_error("fsync " + path_.string());
    return replace_file(fd_.get(), name, text);
  }

 private:
  Result<void> copy_file(const std::string& name, HostFolder& to) {
    auto from = open_file(name, FileAccess::kRead);
    if (!from) return from.error();
    auto size = (*from)->size();
    if (!size) return size.error();
    auto copy = to.create_file(name, size->bytes);
    if (!copy) return copy.error();
    if (auto copied = copy_sparse(**from, **copy); !copied) {
      [[maybe_unused]] auto ignored = to.remove_file(name);
      return copied.error().within("copy " + name);
    }
    return {};
  }

  UniqueFd fd_;
  std::filesystem::path path_;
  std::shared_ptr<const SyncSwitch> syncs_;
};

}  // namespace

Result<std::unique_ptr<DiskFolder>> open_host_folder_unlocked(const std::filesystem::path& path) {
  auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  return std::unique_ptr<DiskFolder>(std::make_unique<HostFolder>(std::move(*fd), path, nullptr));
}

Result<std::unique_ptr<DiskFolder>> open_host_folder(const std::filesystem::path& path,
                                                     std::shared_ptr<const SyncSwitch> syncs) {
  auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY | O_DIRECTORY);
  if (!fd) return fd.error();
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return Error{ErrorCode::kConflict, path.string() + " is in use by another process", ""};
    return errno_error("lock " + path.string());
  }
  return std::unique_ptr<DiskFolder>(std::make_unique<HostFolder>(std::move(*fd), path, std::move(syncs)));
}

}  // namespace tl::storage
