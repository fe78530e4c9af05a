// SPDX-License-Identifier: Apache-2.0
// A program of the build: pack_initramfs AGENT OUTPUT packs what a guest's kernel starts from, the same bytes
// whenever the agent is the same.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

namespace {

struct Item {
  const char* path;
  mode_t mode;
  dev_t device;
  const std::string& contents;
};

bool add(archive* writer, const Item& item, int inode) {
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                       archive_entry_free);
  if (!entry) return false;
  archive_entry_set_pathname(entry.get(), item.path);
  archive_entry_set_mode(entry.get(), item.mode);
  archive_entry_set_uid(entry.get(), 0);
  archive_entry_set_gid(entry.get(), 0);
  archive_entry_set_mtime(entry.get(), 0, 0);
  archive_entry_set_ino(entry.get(), inode);
  archive_entry_set_nlink(entry.get(), S_ISDIR(item.mode) ? 2 : 1);
  archive_entry_set_rdev(entry.get(), item.device);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(item.contents.size()));
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK) return false;
  const auto bytes = static_cast<la_ssize_t>(item.contents.size());
  return bytes == 0 || archive_write_data(writer, item.contents.data(), item.contents.size()) == bytes;
}

bool pack(archive* writer, const std::string& agent, const char* output) {
  const std::string nothing;
  if (archive_write_set_format_cpio_newc(writer) != ARCHIVE_OK ||
      archive_write_set_bytes_in_last_block(writer, 1) != ARCHIVE_OK ||
      archive_write_open_filename(writer, output) != ARCHIVE_OK) {
    return false;
  }
  int inode = 0;
  for (const Item& item :
       {Item{"dev", S_IFDIR | 0755, 0, nothing}, Item{"dev/console", S_IFCHR | 0600, makedev(5, 1), nothing},
        Item{"init", S_IFREG | 0755, 0, agent}}) {
    if (!add(writer, item, ++inode)) return false;
  }
  return archive_write_close(writer) == ARCHIVE_OK;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: pack_initramfs AGENT OUTPUT\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::string agent{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file || agent.empty()) {
    std::cerr << "pack_initramfs: cannot read " << argv[1] << '\n';
    return 1;
  }
  const std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), archive_write_free);
  if (writer && pack(writer.get(), agent, argv[2])) return 0;
  std::cerr << "pack_initramfs: " << (writer ? archive_error_string(writer.get()) : "no memory") << '\n';
  return 1;
}
