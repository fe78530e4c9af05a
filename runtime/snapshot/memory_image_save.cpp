// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/snapshot/memory_folder.hpp"
#include "runtime/snapshot/memory_image.hpp"
#include "runtime/snapshot/regular_file.hpp"

// The order of a save, and why it may write in place. On disk: the map goes, then the data comes, then the
// new map; with syncs in between when it is to be durable. So whoever opens the folder sees the old memory,
// no memory, or the new one, and never a mixture. In the guest, which may run on a private mapping of the
// very file: a page is written only where RAM and file differ, and they can differ only where the guest has a
// copy of its own; the host's page cache, which the writes change, is not what it sees there. The base is
// never written to.
//
// A page that became zero gives its place back only in long runs, because some hosts take milliseconds to
// punch a hole of any size, in which a thousand pages of zeroes are written. In either case the file has
// zeroes there: of what the map does not call stored the file is zero, so a delta alone, or a base, is mapped
// as a whole.
namespace tl::snapshot {
namespace {

constexpr std::uint64_t kStridePages = 256;  // compared at a time
constexpr std::uint64_t kPunchPages = 1024;  // shorter runs are written over
constexpr std::array<std::byte, 256 * 1024> kZeroes{};

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.front() == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

class MemoryImage::Save {
 public:
  Save(MemoryImage& image, std::span<const std::byte> ram, Durability durability)
      : image_(image), ram_(ram), durability_(durability), old_(kStridePages * kPageBytes) {}

  Result<void> run(const RamPages& pages);
  [[nodiscard]] const SaveReport& report() const { return report_; }

 private:
  Result<void> compare(PageRun stride);
  // Compares a part of a stride that comes from one layer, or from none.
  Result<void> compare_part(const Layer* layer, PageRun part);
  [[nodiscard]] const Layer* source_of(std::uint64_t page) const;
  Result<void> put(std::uint64_t page, std::span<const std::byte> contents);
  Result<void> flush();
  Result<void> write(PageRun run);
  Result<void> make_zero(PageRun run);
  Result<void> erase(PageRun run);
  Result<void> begin();
  Result<void> finish();
  Result<void> sync_base();

  [[nodiscard]] std::span<const std::byte> ram_of(PageRun run) const {
    return ram_.subspan(run.first * kPageBytes, run.count * kPageBytes);
  }
  [[nodiscard]] MemoryMap& map() const { return image_.delta_->map; }
  [[nodiscard]] int file() const { return image_.delta_->file.get(); }

  MemoryImage& image_;
  std::span<const std::byte> ram_;
  Durability durability_;
  std::vector<std::byte> old_;
  PageRun to_write_;
  PageRun to_zero_;
  bool begun_ = false;
  SaveReport report_;
};

Result<MemoryImage::SaveReport> MemoryImage::save(std::span<const std::byte> ram, const RamPages& pages,
                                                  Durability durability) {
  TL_CHECK(ram.size() == ram_bytes_);
  if (broken_)
    return within(Error{ErrorCode::kFailure, "the host failed to write it before", ""}, "save the memory to");
  Save save(*this, ram, durability);
  if (auto done = save.run(pages); !done) return within(done.error(), "save the memory to");
  return save.report();
}

Result<void> MemoryImage::Save::run(const RamPages& pages) {
  const PageSet candidates = (pages.written | image_.unsettled_) - pages.zero;
  const std::uint64_t all = candidates.size();
  for (std::uint64_t at = 0;;) {
    PageRun run = candidates.next_run(at, all);
    if (run.count == 0) break;
    run.count = std::min(run.count, kStridePages);
    if (auto compared = compare(run); !compared) return compared;
    at = run.end();
  }
  if (auto flushed = flush(); !flushed) return flushed;
  const PageSet gone = pages.zero & (image_.contents() | image_.unsettled_);
  for (const PageRun& run : gone.runs()) {
    if (auto zeroed = make_zero(run); !zeroed) return zeroed;
  }
  const bool is_synced = durability_ == Durability::kSynced;
  const bool is_complete = image_.delta_ ? image_.has_map_ : image_.base_.has_value();
  if (!begun_ && is_complete && !(is_synced && image_.delta_ && !image_.durable_))
    return is_synced ? sync_base() : Result<void>();
  if (auto begun = begin(); !begun) return begun;
  return finish();
}

const MemoryImage::Layer* MemoryImage::Save::source_of(std::uint64_t page) const {
  const auto& delta = image_.delta_;
  const auto& base = image_.base_;
  if (delta && delta->map.stored.contains(page)) return &*delta;
  if (delta && delta->map.zero.contains(page)) return nullptr;
  return base && base->map.stored.contains(page) ? &*base : nullptr;
}

Result<void> MemoryImage::Save::compare(PageRun stride) {
  report_.pages_compared += stride.count;
  while (stride.count > 0) {
    const Layer* const layer = source_of(stride.first);
    PageRun part{stride.first, 1};
    while (part.count < stride.count && source_of(part.end()) == layer) ++part.count;
    if (auto compared = compare_part(layer, part); !compared) return compared;
    stride = {part.end(), stride.count - part.count};
  }
  return {};
}

Result<void> MemoryImage::Save::compare_part(const Layer* layer, PageRun part) {
  const auto now = ram_of(part);
  const auto before = std::span(old_).first(now.size());
  if (layer == nullptr) {
    if (is_zero(now)) return {};
  } else {
    if (auto got = pread_exact(layer->file.get(), before, part.first * kPageBytes); !got) return got;
    if (std::memcmp(now.data(), before.data(), now.size()) == 0) return {};
  }
  for (std::uint64_t i = 0; i < part.count; ++i) {
    const auto page = now.subspan(i * kPageBytes, kPageBytes);
    const bool same =
        layer == nullptr ? is_zero(page) : std::memcmp(page.data(), &before[i * kPageBytes], kPageBytes) == 0;
    if (same) continue;
    if (auto put_down = put(part.first + i, page); !put_down) return put_down;
  }
  return {};
}

// Collects neighbours, so that they are written at once.
Result<void> MemoryImage::Save::put(std::uint64_t page, std::span<const std::byte> contents) {
  PageRun& run = is_zero(contents) ? to_zero_ : to_write_;
  if (run.count > 0 && run.end() == page) {
    ++run.count;
    return {};
  }
  auto flushed = flush();
  run = {page, 1};
  return flushed;
}

Result<void> MemoryImage::Save::flush() {
  const PageRun writes = std::exchange(to_write_, {});
  const PageRun zeroes = std::exchange(to_zero_, {});
  if (writes.count > 0) {
    if (auto written = write(writes); !written) return written;
  }
  return zeroes.count > 0 ? make_zero(zeroes) : Result<void>();
}

Result<void> MemoryImage::Save::write(PageRun run) {
  if (auto begun = begin(); !begun) return begun;
  // Called stored before they are: after a failure the next save compares them with what the file has.
  image_.unsettled_.add(run);
  map().stored.add(run);
  map().zero.remove(run);
  if (auto written = pwrite_all(file(), ram_of(run), run.first * kPageBytes); !written) return written;
  report_.pages_written += run.count;
  report_.bytes_written += run.count * kPageBytes;
  return {};
}

Result<void> MemoryImage::Save::make_zero(PageRun run) {
  if (auto begun = begin(); !begun) return begun;
  // Called stored until they are not, for the same reason.
  image_.unsettled_.add(run);
  for (std::uint64_t at = run.first; at < run.end();) {
    const PageRun stored = map().stored.next_run(at, run.end());
    if (stored.count == 0) break;
    if (auto erased = erase(stored); !erased) return erased;
    at = stored.end();
  }
  map().stored.remove(run);
  if (image_.base_) {
    for (std::uint64_t at = run.first; at < run.end();) {
      const PageRun below = image_.base_->map.stored.next_run(at, run.end());
      if (below.count == 0) break;
      map().zero.add(below);
      at = below.end();
    }
  }
  report_.pages_zeroed += run.count;
  return {};
}

Result<void> MemoryImage::Save::erase(PageRun run) {
  std::uint64_t at = run.first * kPageBytes;
  const std::uint64_t end = run.end() * kPageBytes;
  if (run.count >= kPunchPages) {
    if (::fallocate(file(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                    static_cast<off_t>(end - at)) == 0)
      return {};
    if (errno != EOPNOTSUPP && errno != EINTR) return errno_error("give space back");
  }
  while (at < end) {
    const auto zeroes = std::span(kZeroes).first(std::min<std::uint64_t>(kZeroes.size(), end - at));
    if (auto written = pwrite_all(file(), zeroes, at); !written) return written;
    report_.bytes_written += zeroes.size();
    at += zeroes.size();
  }
  return {};
}

Result<void> MemoryImage::Save::begin() {
  if (begun_) return {};
  const int folder = image_.folder_.get();
  // Whatever we know of it: a failed save may have left one.
  if (::unlinkat(folder, kDeltaMapFile, 0) != 0 && errno != ENOENT) return errno_error("remove the map");
  image_.has_map_ = false;
  if (!image_.delta_) {
    auto made = open_at(folder, kDeltaFile, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!made) return made.error();
    image_.delta_.emplace(Layer{
        *std::move(made), MemoryMap::make(image_.ram_bytes_, image_.base_ ? image_.base_->map.id : "")});
  }
  if (::ftruncate(file(), static_cast<off_t>(image_.ram_bytes_)) != 0) return errno_error("size the memory");
  image_.durable_ = false;
  // Without this the old map might come back after a power failure, over new data.
  if (durability_ == Durability::kSynced && ::fsync(folder) != 0) return errno_error("sync the folder");
  begun_ = true;
  return {};
}

Result<void> MemoryImage::Save::finish() {
  if (durability_ == Durability::kSynced) {
    if (::fdatasync(file()) != 0) {
      image_.broken_ = true;
      return errno_error("sync");
    }
    if (auto synced = sync_base(); !synced) return synced;
  }
  map().id = random_base36(kMemoryIdLength);
  if (auto saved = map().save(image_.folder_.get(), kDeltaMapFile, durability_); !saved) return saved;
  image_.has_map_ = true;
  image_.durable_ = durability_ == Durability::kSynced;
  image_.unsettled_.clear();
  return {};
}

// A base may have been made lazily, by an export or by whoever put it here.
Result<void> MemoryImage::Save::sync_base() {
  if (!image_.base_ || image_.base_durable_) return {};
  for (const char* name : {kBaseFile, kBaseMapFile}) {
    if (auto synced = sync_regular_file(image_.folder_.get(), name); !synced) {
      image_.broken_ = true;
      return synced;
    }
  }
  if (::fsync(image_.folder_.get()) != 0) return errno_error("sync the folder");
  image_.base_durable_ = true;
  return {};
}

}  // namespace tl::snapshot
