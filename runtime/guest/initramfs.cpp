// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/initramfs.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <memory>
#include <string>

#include <archive.h>
#include <archive_entry.h>

extern "C" const std::byte tl_agent_image_begin[];
extern "C" const std::byte tl_agent_image_end[];

namespace tl::guest {
namespace {

struct Item {
  const char* path;
  mode_t mode;
  dev_t device;
  std::span<const std::byte> contents;
};

Error archive_failure(archive* writer) {
  const char* why = archive_error_string(writer);
  return Error{ErrorCode::kFailure, std::string("pack the initramfs: ") + (why != nullptr ? why : "unknown"),
               ""};
}

Result<void> add(archive* writer, const Item& item, int inode) {
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  if (!entry) return errno_error(ENOMEM, "pack the initramfs");
  archive_entry_set_pathname(entry.get(), item.path);
  archive_entry_set_mode(entry.get(), item.mode);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_entry_set_ino(entry.get(), inode);
  archive_entry_set_nlink(entry.get(), S_ISDIR(item.mode) ? 2 : 1);
  archive_entry_set_rdev(entry.get(), item.device);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(item.contents.size()));
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK) return archive_failure(writer);
  if (item.contents.empty()) return {};
  const auto written = archive_write_data(writer, item.contents.data(), item.contents.size());
  if (written != static_cast<la_ssize_t>(item.contents.size())) return archive_failure(writer);
  return {};
}

}  // namespace

std::span<const std::byte> agent_image() {
  return {tl_agent_image_begin, tl_agent_image_end};
}

Result<UniqueFd> make_initramfs() {
  UniqueFd file(::memfd_create("initramfs", MFD_CLOEXEC));
  if (!file) return errno_error("memfd_create");
  const std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  if (!writer) return errno_error(ENOMEM, "pack the initramfs");
  if (archive_write_set_format_cpio_newc(writer.get()) != ARCHIVE_OK ||
      // Unblocked: the agent goes out in one piece.
      archive_write_set_bytes_per_block(writer.get(), 0) != ARCHIVE_OK ||
      archive_write_open_fd(writer.get(), file.get()) != ARCHIVE_OK) {
    return archive_failure(writer.get());
  }
  const Item items[] = {{"dev", S_IFDIR | 0755, 0, {}},
                        {"dev/console", S_IFCHR | 0600, makedev(5, 1), {}},
                        {"init", S_IFREG | 0755, 0, agent_image()}};
  int inode = 0;
  for (const Item& item : items) {
    const auto added = add(writer.get(), item, ++inode);
    if (!added) return added.error();
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return archive_failure(writer.get());
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return errno_error("rewind the initramfs");
  return file;
}

}  // namespace tl::guest
