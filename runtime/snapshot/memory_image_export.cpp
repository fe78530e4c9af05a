// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/io.hpp"
#include "runtime/snapshot/memory_folder.hpp"
#include "runtime/snapshot/memory_image.hpp"
#include "runtime/snapshot/regular_file.hpp"

// A base is shared by its inode: many folders have hard links to it, each with a link to its map, and it
// lives as long as the last of them. So it must never change, and a delta that is to be shared first becomes
// its own folder's base. That takes two renames, the memory and then its map; between them the folder has
// `memory.base` and `memory.map` and neither of the others, which opening recognizes and brings to its end.
// The memory is the same in all three states. In the other folder the map comes last, so that a base without
// one is half-made.
namespace tl::snapshot {
namespace {

constexpr unsigned kBaseMode = 0400;

Result<void> sync_folder(int folder) {
  return ::fsync(folder) == 0 ? Result<void>() : errno_error("sync the folder");
}

// What copy_file_range(2) cannot do between file systems goes through a buffer.
Result<void> copy(int from, int to, std::uint64_t offset, std::uint64_t bytes) {
  auto at = static_cast<off_t>(offset);
  const auto end = static_cast<off_t>(offset + bytes);
  while (at < end) {
    off_t at_target = at;
    const ssize_t n = ::copy_file_range(from, &at, to, &at_target, static_cast<std::size_t>(end - at), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
  }
  if (at == end) return {};
  std::vector<std::byte> buffer(static_cast<std::size_t>(end - at));
  if (auto got = pread_exact(from, buffer, static_cast<std::uint64_t>(at)); !got) return got;
  return pwrite_all(to, buffer, static_cast<std::uint64_t>(at));
}

}  // namespace

Result<void> MemoryImage::freeze(Durability durability) {
  const int folder = folder_.get();
  const bool synced = durability == Durability::kSynced;
  if (::fchmod(delta_->file.get(), kBaseMode) != 0) return errno_error("make the memory read-only");
  // Both are to be durable under their new names, whatever the save was told.
  if (synced && ::fsync(delta_->file.get()) != 0) return errno_error("sync the memory");
  if (synced) {
    if (auto done = sync_regular_file(folder, kDeltaMapFile); !done) return done;
  }
  if (::renameat(folder, kDeltaFile, folder, kBaseFile) != 0) return errno_error("rename the memory");
  base_ = std::exchange(delta_, std::nullopt);
  has_map_ = false;
  base_durable_ = false;  // a save that syncs sees to it
  if (synced) {
    if (auto done = sync_folder(folder); !done) return done;
  }
  if (::renameat(folder, kDeltaMapFile, folder, kBaseMapFile) != 0) return errno_error("rename the map");
  return synced ? sync_folder(folder) : Result<void>();
}

Result<void> MemoryImage::merge_into(int other_folder, Durability durability) const {
  auto file = open_at(other_folder, kBaseFile, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return file.error();
  if (::ftruncate(file->get(), static_cast<off_t>(ram_bytes_)) != 0) return errno_error("size the memory");
  MemoryMap map = MemoryMap::make(ram_bytes_, "");
  for (const Piece& piece : pieces()) {
    if (auto copied = copy(piece.layer->file.get(), file->get(), piece.run.first * kPageBytes,
                           piece.run.count * kPageBytes);
        !copied)
      return copied.error().within("merge");
    map.stored.add(piece.run);
  }
  if (::fchmod(file->get(), kBaseMode) != 0) return errno_error("make the memory read-only");
  if (durability == Durability::kSynced && ::fsync(file->get()) != 0) return errno_error("sync the memory");
  return map.save(other_folder, kBaseMapFile, durability);
}

Result<void> MemoryImage::export_to(int other_folder, Durability durability) {
  const auto fail = [&](const Error& error) { return within(error, "export the memory of"); };
  if (delta_ ? !has_map_ : !base_) return fail({ErrorCode::kNotFound, "none has been saved", ""});
  if (delta_ && !base_) {
    if (auto frozen = freeze(durability); !frozen) return fail(frozen.error());
  }
  bool linked = false;
  if (!delta_) {
    linked = ::linkat(folder_.get(), kBaseFile, other_folder, kBaseFile, 0) == 0;
    // Another file system, or as many links as this one allows.
    if (!linked && errno != EXDEV && errno != EMLINK) return fail(errno_error("link the memory"));
  }
  if (!linked) {
    const auto merged = merge_into(other_folder, durability);
    return merged ? merged : fail(merged.error());
  }
  if (::linkat(folder_.get(), kBaseMapFile, other_folder, kBaseMapFile, 0) != 0)
    return fail(errno_error("link the map"));
  if (durability == Durability::kLazy) return {};
  for (const char* name : {kBaseFile, kBaseMapFile}) {
    if (auto synced = sync_regular_file(other_folder, name); !synced) return fail(synced.error());
  }
  const auto synced = sync_folder(other_folder);
  return synced ? synced : fail(synced.error());
}

}  // namespace tl::snapshot
