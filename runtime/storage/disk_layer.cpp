// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/disk_layer.hpp"

#include <algorithm>
#include <utility>

// Why a crash shows every cluster old or new.
//
// A cluster of a delta is absent (the layer below has it), present (the data file has it) or zero. flush() is
// the only place that changes what the map file says, and it goes in this order:
//
//   1. fdatasync(data)      everything the guest wrote is on the host's disk;
//   2. write map, fdatasync only now may the map say "present": a crash before leaves "absent", and the
//   reader goes
//                           below, to the old contents, whatever is already in the data file;
//   3. punch holes          only now may the blocks of a cluster that became "zero" go: a crash before leaves
//   "present"
//                           with the old contents still in the data file.
//
// A map page is written in place and may be torn, but not inside a 512-byte sector, each of which has its own
// number and checksum: a torn page is a mixture of old and new sectors, and any such mixture is sound,
// because step 1 has been done for all of the new ones and step 3 for none. The same page is never written
// again before its fdatasync has returned, so no write is in flight while its buffer changes. States never
// return to "absent"; "present" and "zero" may alternate. Writing over "zero" puts whole clusters into the
// data file while the map still says "zero". A cluster that waits for step 3 is "zero held", also in the
// file: so its blocks are found again after a crash. Should it be written before its blocks went, it simply
// becomes "present" again, and step 3 skips it.
//
// What is allowed to be lost is space: data written but never flushed leaves blocks that no map mentions.
// open() compares what the file uses with what the map says, and sweeps when they are far apart.
namespace tl::storage {
namespace {

// More than this many separate ranges are not worth remembering: they are given back at once.
constexpr std::size_t kMaxRangesToRelease = 4096;
// Some hosts pass each hole on to their own disk before they return, which takes milliseconds. A flush of the
// guest's must not wait for thousands of them; the rest is for the next one.
constexpr int kMaxPunchesAtOnce = 128;
// Below this much, lost space is the host file system's own bookkeeping.
constexpr std::uint64_t kSweepAbove = std::uint64_t{1} << 20;

Error mismatch(const std::string& what) {
  return Error{ErrorCode::kFailure, "damaged layer: " + what, ""};
}

}  // namespace

Result<DiskLayer> DiskLayer::create(DiskFolder& folder, const MapHeader& header) {
  auto files = LayerFiles::create(folder, header.id, header.device_bytes);
  if (!files) return files.error();
  auto layer = create(*std::move(files), header);
  if (!layer) LayerFiles::remove(folder, header.id);
  return layer;
}

Result<DiskLayer> DiskLayer::create(LayerFiles files, const MapHeader& header) {
  auto map = ClusterMap::create(std::move(files.map), header);
  if (!map) return map.error();
  if (auto synced = map->sync(); !synced) return synced.error();
  if (auto synced = files.data->sync(); !synced) return synced.error();
  return DiskLayer(std::move(files.data), *std::move(map));
}

Result<DiskLayer> DiskLayer::open(DiskFolder& folder, const MapHeader& expected, FileAccess access) {
  auto files = LayerFiles::open(folder, expected.id, access);
  if (!files) return files.error();
  return open(*std::move(files), expected, access);
}

Result<DiskLayer> DiskLayer::open(LayerFiles files, const MapHeader& expected, FileAccess access) {
  const std::string map_name = LayerFiles::map_name(expected.id);
  auto map = ClusterMap::open(std::move(files.map));
  if (!map) return map.error().within(map_name);
  const MapHeader& found = map->header();
  if (found.id != expected.id) return mismatch(map_name + " belongs to another layer");
  if (found.parent != expected.parent) return mismatch(expected.id + " was made on top of another layer");
  if (found.device_bytes != expected.device_bytes) return mismatch(expected.id + " has another device size");

  auto size = files.data->size();
  if (!size) return size.error();
  if (size->bytes != expected.device_bytes)
    return mismatch(LayerFiles::data_name(expected.id) + " has the wrong length");

  DiskLayer layer(std::move(files.data), std::move(*map));
  if (auto ready = layer.recover(access); !ready) return ready.error().within(map_name);
  return layer;
}

Result<void> DiskLayer::recover(FileAccess access) {
  auto scanned = map_.scan([this](std::uint64_t first, const ClusterMap::Run& run) {
    if (run.state == ClusterState::kPresent) held_ += run.length;
    if (run.state == ClusterState::kZeroHeld) note_releasable(first, run.length);
  });
  held_ += releasable_;
  if (!scanned || access == FileAccess::kRead) return scanned;
  // The last life may have ended before it synced what it wrote. What is read from now on must stay.
  if (auto synced = data_->sync(); !synced) return synced.error();
  if (auto synced = map_.sync(); !synced) return synced.error();
  release();
  auto size = data_->size();
  if (!size) return size.error();
  if (size->allocated <= held_ * kClusterBytes + kSweepAbove) return {};
  return sweep_unmapped();
}

Result<void> DiskLayer::sweep_unmapped() {
  std::uint64_t next = 0;
  while (next < map_.clusters()) {
    auto data = data_->next_data(next * kClusterBytes);
    if (!data) return data.error();
    if (!data->has_value()) break;
    next = std::max(next, (*data)->begin / kClusterBytes);
    auto run = map_.run(next, map_.clusters() - next);
    if (!run) return run.error();
    if (run->state == ClusterState::kAbsent || run->state == ClusterState::kZero) {
      auto punched = data_->punch(next * kClusterBytes, run->length * kClusterBytes);
      if (!punched) return punched.error();
    }
    next += run->length;
  }
  return {};
}

Result<std::uint64_t> DiskLayer::count_unheld(std::uint64_t first, std::uint64_t count) {
  std::uint64_t unheld = 0;
  for (const std::uint64_t end = first + count; first < end;) {
    auto run = map_.run(first, end - first);
    if (!run) return run.error();
    if (run->state == ClusterState::kAbsent || run->state == ClusterState::kZero) unheld += run->length;
    first += run->length;
  }
  return unheld;
}

Result<void> DiskLayer::write(std::uint64_t offset, std::span<const iovec> pieces, std::uint64_t first,
                              std::uint64_t count) {
  if (broken_) return *broken_;
  if (auto ready = map_.prepare(first, count); !ready) return ready.error();
  data_dirty_ = true;
  if (auto written = data_->write(offset, pieces); !written) {
    undo_write(first, count);
    return written.error();
  }
  for (const std::uint64_t end = first + count; first < end;) {
    auto run = map_.run(first, end - first);
    TL_CHECK(run.has_value());  // prepare() has loaded the pages
    if (run->state == ClusterState::kZeroHeld) {
      releasable_ -= run->length;
    } else if (run->state != ClusterState::kPresent) {
      held_ += run->length;
    }
    if (run->state != ClusterState::kPresent) map_.set(first, run->length, ClusterState::kPresent);
    first += run->length;
  }
  return {};
}

// Gives back what a failed write may have taken. Clusters that wait for their release do so further on; for
// the others the map file, too, says that the data file does not matter.
void DiskLayer::undo_write(std::uint64_t first, std::uint64_t count) {
  for (const std::uint64_t end = first + count; first < end;) {
    auto run = map_.run(first, end - first);
    TL_CHECK(run.has_value());
    if (run->state == ClusterState::kAbsent || run->state == ClusterState::kZero) {
      [[maybe_unused]] auto ignored = data_->punch(first * kClusterBytes, run->length * kClusterBytes);
    }
    first += run->length;
  }
}

Result<void> DiskLayer::zero(std::uint64_t first, std::uint64_t count, ClusterState current) {
  if (broken_) return *broken_;
  if (current == ClusterState::kZero || current == ClusterState::kZeroHeld) return {};
  if (auto ready = map_.prepare(first, count); !ready) return ready.error();
  if (current == ClusterState::kAbsent) {
    map_.set(first, count, ClusterState::kZero);
    return {};
  }
  map_.set(first, count, ClusterState::kZeroHeld);
  note_releasable(first, count);
  if (to_release_.size() > kMaxRangesToRelease) {
    [[maybe_unused]] auto ignored = flush();  // the guest's own flush will tell it
  }
  return {};
}

void DiskLayer::note_releasable(std::uint64_t first, std::uint64_t count) {
  releasable_ += count;
  if (!to_release_.empty() && to_release_.back().first + to_release_.back().count == first) {
    to_release_.back().count += count;
  } else {
    to_release_.push_back({first, count});
  }
}

Error DiskLayer::broken(const Error& why) {
  broken_ = why.within("the disk takes no more changes");
  return *broken_;
}

Result<void> DiskLayer::flush() {
  if (broken_) return *broken_;
  if (data_dirty_) {
    if (auto synced = data_->sync(); !synced) return broken(synced.error());
    data_dirty_ = false;
  }
  if (map_.is_dirty()) {
    if (auto written = map_.write_back(); !written) return written.error();
    if (auto synced = map_.sync(); !synced) return broken(synced.error());
  }
  release();
  return {};
}

Result<void> DiskLayer::sync() {
  TL_CHECK(!data_dirty_ && !map_.is_dirty());
  if (broken_) return *broken_;
  if (auto synced = data_->sync(); !synced) return broken(synced.error());
  if (auto synced = map_.sync(); !synced) return broken(synced.error());
  return {};
}

// The map file says "zero held" for everything that is still so, durably. What the host refuses to punch is
// tried again at the next flush: nothing but space depends on it.
void DiskLayer::release() {
  for (int punches = 0; !to_release_.empty();) {
    Range& range = to_release_.back();
    while (range.count > 0) {
      auto run = map_.run(range.first, range.count);
      if (!run) return;
      if (run->state == ClusterState::kZeroHeld) {
        if (punches++ == kMaxPunchesAtOnce) return;
        if (!data_->punch(range.first * kClusterBytes, run->length * kClusterBytes)) return;
        map_.set_unrecorded(range.first, run->length, ClusterState::kZero);
        releasable_ -= run->length;
        held_ -= run->length;
      }
      range.first += run->length;
      range.count -= run->length;
    }
    to_release_.pop_back();
  }
}

}  // namespace tl::storage
