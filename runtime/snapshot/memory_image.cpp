// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/memory_image.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "runtime/snapshot/memory_folder.hpp"
#include "runtime/snapshot/regular_file.hpp"

namespace tl::snapshot {
namespace {

namespace fs = std::filesystem;

bool exists(int folder, const char* name) {
  return ::faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<void> remove_if_there(int folder, const std::string& name) {
  if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) return errno_error("remove " + name);
  return {};
}

// Maps that a killed process was about to rename into place.
void remove_temp_files(int folder, const fs::path& path) {
  std::error_code failed;
  for (fs::directory_iterator at(path, failed); !failed && at != fs::directory_iterator();
       at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(std::string(".") + kDeltaFile + ".") && name.ends_with(".tmp"))
      ::unlinkat(folder, name.c_str(), 0);
  }
}

Error failure(std::string what) {
  return Error{ErrorCode::kFailure, std::move(what), ""};
}

}  // namespace

Error MemoryImage::within(const Error& error, const char* doing) const {
  return error.within(fmt::format("{} {}", doing, path_.string()));
}

Result<MemoryImage> MemoryImage::create(UniqueFd folder, fs::path path, std::uint64_t ram_bytes) {
  MemoryImage image(std::move(folder), std::move(path), ram_bytes);
  remove_temp_files(image.folder_.get(), image.path_);
  // Maps first: a memory file without one is nothing, whatever else a crash leaves.
  for (const char* name : {kDeltaMapFile, kBaseMapFile, kDeltaFile, kBaseFile}) {
    if (auto gone = remove_if_there(image.folder_.get(), name); !gone)
      return image.within(gone.error(), "make a memory in");
  }
  return image;
}

Result<MemoryImage> MemoryImage::open(UniqueFd folder, fs::path path, std::uint64_t ram_bytes) {
  MemoryImage image(std::move(folder), std::move(path), ram_bytes);
  if (auto loaded = image.load(); !loaded) return image.within(loaded.error(), "open the memory in");
  remove_temp_files(image.folder_.get(), image.path_);
  return image;
}

Result<void> MemoryImage::load() {
  if (auto finished = finish_freeze(); !finished) return finished;
  struct Names {
    const char* file;
    const char* map;
    int flags;
    std::optional<Layer>* layer;
  };
  for (const Names& names : {Names{kBaseFile, kBaseMapFile, O_RDONLY, &base_},
                             Names{kDeltaFile, kDeltaMapFile, O_RDWR, &delta_}}) {
    const bool has_file = exists(folder_.get(), names.file);
    const bool has_map = exists(folder_.get(), names.map);
    if (!has_file && !has_map) continue;
    if (!has_file) return failure(fmt::format("{} is missing", names.file));
    if (!has_map) {
      if (names.layer == &delta_) return failure("it was being saved when the host or its monitor ended");
      return failure(fmt::format("{} has no map", names.file));
    }
    auto file = open_regular_file(folder_.get(), names.file, names.flags);
    if (!file) return file.error();
    if (file->bytes != ram_bytes_)
      return failure(fmt::format("{} is {} bytes long, and the machine has {} bytes of memory", names.file,
                                 file->bytes, ram_bytes_));
    auto map = MemoryMap::load(folder_.get(), names.map, ram_bytes_);
    if (!map) return map.error();
    names.layer->emplace(Layer{std::move(file->fd), *std::move(map)});
  }
  if (!base_ && !delta_) return Error{ErrorCode::kNotFound, "there is none", ""};
  if (base_ && !base_->map.base_id.empty()) return failure("its base is itself a delta");
  if (delta_ && delta_->map.base_id != (base_ ? base_->map.id : ""))
    return failure("its delta is not one of this base");
  has_map_ = delta_.has_value();
  return {};
}

// A freeze renames two files, the memory first and durably so. No save and no export leaves the state in
// between, so it tells itself.
Result<void> MemoryImage::finish_freeze() {
  const int folder = folder_.get();
  const bool is_between = exists(folder, kBaseFile) && !exists(folder, kBaseMapFile) &&
                          !exists(folder, kDeltaFile) && exists(folder, kDeltaMapFile);
  if (!is_between) return {};
  const auto map = MemoryMap::load(folder, kDeltaMapFile, ram_bytes_);
  if (!map) return map.error();
  if (!map->base_id.empty()) return failure(fmt::format("{} is missing", kDeltaFile));
  if (::renameat(folder, kDeltaMapFile, folder, kBaseMapFile) != 0)
    return errno_error(fmt::format("rename {}", kDeltaMapFile));
  return {};
}

PageSet MemoryImage::contents() const {
  PageSet pages_of_all(pages());
  if (base_) pages_of_all |= base_->map.stored;
  if (delta_) {
    pages_of_all -= delta_->map.zero;
    pages_of_all |= delta_->map.stored;
  }
  return pages_of_all;
}

}  // namespace tl::snapshot
