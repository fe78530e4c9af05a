// SPDX-License-Identifier: Apache-2.0
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <algorithm>

#include "common/io.hpp"
#include "runtime/snapshot/memory_image.hpp"
#include "runtime/snapshot/readable_mapping.hpp"

namespace tl::snapshot {
namespace {

Result<void> map_over(std::byte* at, std::uint64_t bytes, int file, std::uint64_t offset) {
  const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (file < 0 ? MAP_ANONYMOUS : 0);
  if (::mmap(at, bytes, PROT_READ | PROT_WRITE, flags, file, static_cast<off_t>(offset)) == MAP_FAILED)
    return errno_error("map the memory");
  return {};
}

// Whether the first look at a hole through a mapping takes a page of the file system's, as tmpfs does; and
// when that is full, there is SIGBUS for whoever looks, and EFAULT for the guest.
bool holes_take_space(int file) {
  struct statfs status;
  return ::fstatfs(file, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

}  // namespace

Result<MemoryImage::Mapped> MemoryImage::map_private(std::byte* at, std::size_t max_mappings) const {
  const auto fail = [&](const Error& error) { return within(error, "map the memory of"); };
  // Of what a map does not call stored its file is zero, so the lowest layer is mapped as a whole.
  const Layer* const lowest = base_ ? &*base_ : delta_ ? &*delta_ : nullptr;
  const bool is_whole = lowest != nullptr && !holes_take_space(lowest->file.get());
  if (auto mapped = map_over(at, ram_bytes_, is_whole ? lowest->file.get() : -1, 0); !mapped)
    return fail(mapped.error());
  Mapped result{1, 0};

  auto over = is_whole ? pieces_over_base() : pieces();
  // A mapping in the middle of another leaves three.
  const std::size_t most = (max_mappings - 1) / 2;
  if (over.size() > most) {
    std::nth_element(over.begin(), over.begin() + static_cast<std::ptrdiff_t>(most), over.end(),
                     [](const Piece& a, const Piece& b) { return a.run.count > b.run.count; });
  }
  for (std::size_t i = 0; i < over.size(); ++i) {
    const int file = over[i].layer->file.get();
    const std::uint64_t offset = over[i].run.first * kPageBytes;
    const std::uint64_t bytes = over[i].run.count * kPageBytes;
    if (i < most) {
      if (auto mapped = map_over(at + offset, bytes, file, offset); !mapped) return fail(mapped.error());
      result.mappings += 2;
    } else {
      if (auto got = pread_exact(file, {at + offset, bytes}, offset); !got) return fail(got.error());
      result.pages_copied += over[i].run.count;
    }
  }
  return result;
}

std::vector<MemoryImage::Piece> MemoryImage::pieces_over_base() const {
  std::vector<Piece> found;
  if (!base_ || !delta_) return found;
  for (const PageRun& run : (delta_->map.stored | delta_->map.zero).runs()) found.push_back({&*delta_, run});
  return found;
}

std::vector<MemoryImage::Piece> MemoryImage::pieces() const {
  std::vector<Piece> found;
  const auto add = [&](const Layer& layer, const PageSet& of_layer) {
    for (const PageRun& run : of_layer.runs()) found.push_back({&layer, run});
  };
  if (base_)
    add(*base_, delta_ ? base_->map.stored - delta_->map.stored - delta_->map.zero : base_->map.stored);
  if (delta_) add(*delta_, delta_->map.stored);
  return found;
}

Result<std::uint64_t> MemoryImage::read_into(std::span<std::byte> zeroed) const {
  TL_CHECK(zeroed.size() == ram_bytes_);
  std::uint64_t total = 0;
  for (const Piece& piece : pieces()) {
    const std::uint64_t offset = piece.run.first * kPageBytes;
    const auto target = zeroed.subspan(offset, piece.run.count * kPageBytes);
    if (auto got = pread_exact(piece.layer->file.get(), target, offset); !got)
      return within(got.error(), "read the memory of");
    total += target.size();
  }
  return total;
}

// Measured against pread(2) into a mapping of the memfd, against a buffer in between and against sendfile(2):
// writing the memfd from a mapping of the file is twice as fast as the first and needs no copy of its own. A
// second thread only takes a processor from others: Linux lets one at a time write to a memfd.
Result<std::uint64_t> MemoryImage::read_into(int memfd) const {
  std::vector<ReadableMapping> mappings;
  std::vector<const Layer*> layers;
  for (const auto* layer : {&base_, &delta_}) {
    if (!*layer) continue;
    auto mapping = ReadableMapping::create((*layer)->file.get(), ram_bytes_);
    if (!mapping) return within(mapping.error(), "read the memory of");
    mappings.push_back(*std::move(mapping));
    layers.push_back(&**layer);
  }
  std::uint64_t total = 0;
  for (const Piece& piece : pieces()) {
    const std::uint64_t offset = piece.run.first * kPageBytes;
    const std::size_t which = piece.layer == layers.front() ? 0 : 1;
    const auto source = mappings[which].bytes().subspan(offset, piece.run.count * kPageBytes);
    if (auto put = pwrite_all(memfd, source, offset); !put) return within(put.error(), "read the memory of");
    total += source.size();
  }
  return total;
}

}  // namespace tl::snapshot
