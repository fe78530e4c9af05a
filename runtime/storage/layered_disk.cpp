// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/layered_disk.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/storage/ext4_condition.hpp"
#include "runtime/storage/ext4_journal.hpp"

namespace tl::storage {
namespace {

constexpr std::uint64_t kSmallWriteClusters = 16;

using Cluster = std::array<std::byte, kClusterBytes>;

iovec piece(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};  // pwritev only reads it
}

}  // namespace

LayeredDisk::LayeredDisk(std::unique_ptr<DiskFolder> folder, std::unique_ptr<DiskFile> base,
                         DiskManifest manifest, std::vector<std::unique_ptr<DiskLayer>> layers)
    : folder_(std::move(folder)),
      base_(std::move(base)),
      manifest_(std::move(manifest)),
      layers_(std::move(layers)),
      held_clusters_(count_held()) {}

std::uint64_t LayeredDisk::count_held() const {
  std::uint64_t held = 0;
  for (const auto& layer : layers_) held += layer->held();
  return held;
}

void LayeredDisk::check_range(std::uint64_t offset, std::uint64_t length) const {
  TL_CHECK(offset % kSectorBytes == 0 && length % kSectorBytes == 0);
  TL_CHECK(offset <= size_bytes() && length <= size_bytes() - offset);
}

// Looks from the layer below `layer_count` downwards.
Result<LayerSource> LayeredDisk::locate(std::size_t layer_count, std::uint64_t first, std::uint64_t limit) {
  return LayerSource::find(std::span(layers_).first(layer_count), manifest_.base_clusters(), first, limit);
}

Result<void> LayeredDisk::read_base(std::uint64_t offset, std::span<std::byte> into) {
  const std::uint64_t there = manifest_.base_bytes > offset ? manifest_.base_bytes - offset : 0;
  const auto from_file = into.first(std::min<std::size_t>(into.size(), there));
  const auto beyond = into.subspan(from_file.size());
  std::fill(beyond.begin(), beyond.end(), std::byte{0});
  return from_file.empty() ? Result<void>() : base_->read(offset, from_file);
}

Result<void> LayeredDisk::read(std::uint64_t offset, std::span<std::byte> into) {
  check_range(offset, into.size());
  while (!into.empty()) {
    const std::uint64_t first = offset / kClusterBytes;
    const std::uint64_t end = (offset + into.size() + kClusterBytes - 1) / kClusterBytes;
    auto source = locate(layers_.size(), first, end - first);
    if (!source) return source.error();
    // Neighbours from the same place are one read.
    std::uint64_t next = first + source->clusters;
    while (next < end) {
      auto more = locate(layers_.size(), next, end - next);
      if (!more) return more.error();
      if (!more->is_beside(*source)) break;
      next += more->clusters;
    }
    const auto part = into.first(std::min<std::size_t>(into.size(), next * kClusterBytes - offset));
    Result<void> done;
    if (source->layer != nullptr) {
      done = source->layer->read(offset, part);
    } else if (source->in_base) {
      done = read_base(offset, part);
    } else {
      std::fill(part.begin(), part.end(), std::byte{0});
    }
    if (!done) return done;
    offset += part.size();
    into = into.subspan(part.size());
  }
  return {};
}

Result<bool> LayeredDisk::is_present(std::uint64_t cluster) {
  auto run = delta().run(cluster, 1);
  if (!run) return run.error();
  return run->state == ClusterState::kPresent;
}

// A cluster that the delta does not have yet is written as a whole: what the guest does not give at either
// end of its write is read from below first, and goes into the same system call.
Result<void> LayeredDisk::write(std::uint64_t offset, std::span<const std::byte> from) {
  check_range(offset, from.size());
  if (from.empty()) return {};
  const std::uint64_t end = offset + from.size();
  const std::uint64_t first = offset / kClusterBytes;
  const std::uint64_t last = (end - 1) / kClusterBytes;
  const std::size_t head = offset % kClusterBytes;
  const std::size_t tail_begin = end % kClusterBytes;  // 0: the last cluster is covered to its end

  Cluster head_fill;
  Cluster tail_fill;
  std::array<iovec, 3> pieces{};
  std::size_t count = 0;
  std::uint64_t start = offset;
  if (head != 0) {
    auto present = is_present(first);
    if (!present) return present.error();
    if (!*present) {
      if (auto filled = read(first * kClusterBytes, head_fill); !filled) return filled;
      pieces[count++] = piece(std::span(head_fill).first(head));
      start = first * kClusterBytes;
    }
  }
  pieces[count++] = piece(from);
  if (tail_begin != 0) {
    auto present = is_present(last);
    if (!present) return present.error();
    if (!*present) {
      if (auto filled = read(last * kClusterBytes, tail_fill); !filled) return filled;
      pieces[count++] = piece(std::span(tail_fill).subspan(tail_begin));
    }
  }
  return write_range(start, std::span(pieces).first(count), first, last - first + 1);
}

// Blocks that the guest has given up may be all that is missing.
Result<void> LayeredDisk::write_range(std::uint64_t offset, std::span<const iovec> pieces,
                                      std::uint64_t first, std::uint64_t count) {
  Result<void> done = write_once(offset, pieces, first, count);
  while (!done && done.error().code == ErrorCode::kHostLacks && delta().releasable() > 0) {
    const std::uint64_t releasable = delta().releasable();
    if (!delta().flush() || delta().releasable() == releasable) break;
    done = write_once(offset, pieces, first, count);
  }
  held_clusters_ = count_held();
  return done;
}

Result<void> LayeredDisk::write_once(std::uint64_t offset, std::span<const iovec> pieces, std::uint64_t first,
                                     std::uint64_t count) {
  auto needed = delta().count_unheld(first, count);
  if (!needed) return needed.error();
  if (*needed > 0 && count_held() + *needed > manifest_.quota_bytes / kClusterBytes) {
    const std::uint64_t mib = manifest_.quota_bytes >> 20;
    return Error{ErrorCode::kHostLacks, "disk quota of " + std::to_string(mib) + " MiB is used up", ""};
  }
  if (*needed > 0 && !headroom_.allows(delta(), *needed * kClusterBytes) && !may_use_headroom(first, count))
    return Error{ErrorCode::kHostLacks, "the host's disk is full", ""};
  return delta().write(offset, pieces, first, count);
}

// Metadata are small writes.
bool LayeredDisk::may_use_headroom(std::uint64_t first, std::uint64_t count) {
  if (count <= kSmallWriteClusters) return true;
  if (!journal_) {
    std::array<std::byte, Ext4Condition::kBytes> beginning{};
    const auto read = read_base(0, beginning);
    journal_ = read ? ext4_journal(beginning) : std::vector<DiskFile::Extent>();
  }
  const std::uint64_t begin = first * kClusterBytes;
  const std::uint64_t end = begin + count * kClusterBytes;
  return std::any_of(journal_->begin(), journal_->end(),
                     [&](const auto& range) { return range.begin <= begin && end <= range.end; });
}

Result<void> LayeredDisk::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  check_range(offset, length);
  const std::uint64_t end = offset + length;
  const std::uint64_t first_whole = (offset + kClusterBytes - 1) / kClusterBytes;
  const std::uint64_t end_whole = end / kClusterBytes;
  if (first_whole > end_whole) return zero_part(offset, length);  // inside one cluster
  if (auto done = zero_part(offset, first_whole * kClusterBytes - offset); !done) return done;
  if (auto done = zero_clusters(first_whole, end_whole - first_whole); !done) return done;
  return zero_part(end_whole * kClusterBytes, end - end_whole * kClusterBytes);
}

Result<void> LayeredDisk::discard(std::uint64_t offset, std::uint64_t length) {
  return write_zeroes(offset, length);
}

// Less than a cluster, inside one.
Result<void> LayeredDisk::zero_part(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  auto source = locate(layers_.size(), offset / kClusterBytes, 1);
  if (!source) return source.error();
  if (source->is_zero()) return {};
  static constexpr Cluster kZeroes{};
  return write(offset, std::span(kZeroes).first(length));
}

Result<void> LayeredDisk::zero_clusters(std::uint64_t first, std::uint64_t count) {
  Result<void> done;
  for (const std::uint64_t end = first + count; first < end && done;) {
    auto run = delta().run(first, end - first);
    if (!run) return run.error();
    std::uint64_t length = run->length;
    bool already = false;
    if (run->state == ClusterState::kAbsent) {
      // Where nothing is below, "absent" is as good as "zero" and takes no room in the map.
      auto below = locate(layers_.size() - 1, first, length);
      if (!below) return below.error();
      already = below->is_zero();
      length = below->clusters;
    }
    if (!already) done = delta().zero(first, length, run->state);
    first += length;
  }
  held_clusters_ = count_held();
  return done;
}

Result<void> LayeredDisk::flush() {
  auto done = delta().flush();
  held_clusters_ = count_held();
  return done;
}

}  // namespace tl::storage
