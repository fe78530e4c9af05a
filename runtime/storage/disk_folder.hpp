// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/disk_file.hpp"

namespace tl::storage {

enum class FileAccess { kRead, kReadWrite };

// The folder that holds the files of one disk: like DiskFile, an interface so that the tests can lose power
// at any step. Names have no slash. One thread at a time.
class DiskFolder {
 public:
  virtual ~DiskFolder() = default;

  // A new sparse file of `bytes`, which must not exist.
  virtual Result<std::unique_ptr<DiskFile>> create_file(const std::string& name, std::uint64_t bytes) = 0;
  virtual Result<std::unique_ptr<DiskFile>> open_file(const std::string& name, FileAccess access) = 0;
  // The file is in `to`, too, which is a folder of the same kind, under the same name, which must be free
  // there. It is one file in two folders where the host can do that, else a copy as sparse. Neither its
  // contents nor its name in `to` are durable yet.
  virtual Result<void> share_file(const std::string& name, DiskFolder& to) = 0;
  virtual Result<void> remove_file(const std::string& name) = 0;
  // Documents included.
  virtual Result<std::vector<std::string>> file_names() = 0;
  // kNotFound when there is none.
  virtual Result<std::string> read_document(const std::string& name, std::size_t limit) = 0;
  // The old or the new document is there after a crash, and every file created before is, too.
  virtual Result<void> replace_document(const std::string& name, std::string_view text) = 0;

 protected:
  DiskFolder() = default;
  DiskFolder(const DiskFolder&) = delete;
  DiskFolder& operator=(const DiskFolder&) = delete;
};

// The real thing. Locked while it lives, so that no two processes use one disk: kConflict when somebody else
// does. The switch, where there is one, is that of all files that it opens and of its documents.
Result<std::unique_ptr<DiskFolder>> open_host_folder(const std::filesystem::path& path,
                                                     std::shared_ptr<const SyncSwitch> syncs = nullptr);

// Without the lock: for looking at the documents of a disk that may be in use.
Result<std::unique_ptr<DiskFolder>> open_host_folder_unlocked(const std::filesystem::path& path);

}  // namespace tl::storage
