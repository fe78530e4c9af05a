// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "common/atomic_file.hpp"
#include "common/io.hpp"
#include "runtime/snapshot/artefact_store.hpp"

namespace tl::snapshot {

namespace fs = std::filesystem;

ArtefactDraft::~ArtefactDraft() {
  if (!folder_) return;
  // Of a commit that failed at its last sync: first of all, as whenever an artefact goes.
  ::unlinkat(folder_.get(), ArtefactStore::kManifestFile, 0);
  std::error_code ignored;  // the next sweep finds what is left
  fs::remove_all(path_, ignored);
}

std::uint64_t ArtefactDraft::allocated_bytes() const {
  constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, on every file system
  std::uint64_t total = 0;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(path_, failed), end; !failed && at != end; at.increment(failed)) {
    struct stat status {};
    if (::lstat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
      total += static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
  }
  return total;
}

Result<void> ArtefactDraft::commit(std::string_view manifest) && {
  // The names of the files and of the folder itself come before what says that they are there.
  const auto parent = open_at(AT_FDCWD, path_.parent_path().string(), O_RDONLY | O_DIRECTORY);
  if (!parent) return parent.error();
  if (::fsync(folder_.get()) != 0 || ::fsync(parent->get()) != 0)
    return errno_error("sync " + path_.string());
  if (auto written = replace_file(folder_.get(), ArtefactStore::kManifestFile, manifest); !written)
    return written.error().within(path_.string());
  folder_.reset();
  return {};
}

}  // namespace tl::snapshot
