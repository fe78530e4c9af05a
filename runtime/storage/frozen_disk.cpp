// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/frozen_disk.hpp"

#include <algorithm>
#include <utility>

#include "runtime/storage/disk_folder.hpp"
#include "runtime/storage/layer_source.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

// Neighbouring clusters that are not all zeroes are one write. Returns how many bytes were written.
Result<std::uint64_t> write_clusters(DiskFile& to, std::uint64_t offset, std::span<std::byte> bytes) {
  std::uint64_t written = 0;
  for (std::size_t begin = 0; begin < bytes.size();) {
    std::size_t end = begin;
    while (end < bytes.size() && !is_zero(bytes.subspan(end, kClusterBytes))) end += kClusterBytes;
    if (end > begin) {
      const iovec piece{bytes.data() + begin, end - begin};
      if (auto done = to.write(offset + begin, std::span(&piece, 1)); !done) return done.error();
      written += end - begin;
    }
    begin = end + kClusterBytes;
  }
  return written;
}

}  // namespace

Result<std::unique_ptr<FrozenDisk>> FrozenDisk::open(const std::filesystem::path& dir, const DiskBase& base) {
  const std::string doing = "read disk " + dir.string();
  auto folder = open_host_folder_unlocked(dir);
  if (!folder) return folder.error().within(doing);
  auto manifest = DiskManifest::read(**folder);
  if (!manifest) return manifest.error().within(doing);
  if (!manifest->frozen) return Error{ErrorCode::kConflict, doing + ": it is not frozen", ""};
  auto base_file = base.open_for(manifest->base_digest, manifest->base_bytes);
  if (!base_file) return base_file.error().within(doing);
  std::vector<std::unique_ptr<DiskLayer>> layers;
  for (std::size_t i = 0; i < manifest->layers.size(); ++i) {
    auto layer = DiskLayer::open(
        **folder, {manifest->device_bytes, manifest->layers[i], manifest->parent_of(i)}, FileAccess::kRead);
    if (!layer) return layer.error().within(doing);
    layers.push_back(std::make_unique<DiskLayer>(std::move(*layer)));
  }
  return std::unique_ptr<FrozenDisk>(
      new FrozenDisk(*std::move(base_file), *std::move(manifest), std::move(layers)));
}

Result<void> FrozenDisk::read_base(std::uint64_t offset, std::span<std::byte> into) {
  const std::uint64_t there = manifest_.base_bytes > offset ? manifest_.base_bytes - offset : 0;
  const auto from_file = into.first(std::min<std::size_t>(into.size(), there));
  const auto beyond = into.subspan(from_file.size());
  std::fill(beyond.begin(), beyond.end(), std::byte{0});
  return from_file.empty() ? Result<void>() : base_->read(offset, from_file);
}

Result<void> FrozenDisk::read(std::uint64_t offset, std::span<std::byte> into) {
  TL_CHECK(offset % kClusterBytes == 0 && into.size() % kClusterBytes == 0);
  TL_CHECK(offset <= size_bytes() && into.size() <= size_bytes() - offset);
  while (!into.empty()) {
    const auto source = LayerSource::find(layers_, manifest_.base_clusters(), offset / kClusterBytes,
                                          into.size() / kClusterBytes);
    if (!source) return source.error();
    const auto part = into.first(source->clusters * kClusterBytes);
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

Result<void> FrozenDisk::copy_to(DiskFile& to, std::uint64_t bytes, const LongWork& work) {
  TL_CHECK(bytes % kClusterBytes == 0 && bytes <= size_bytes());
  std::vector<std::byte> buffer(kBufferBytes);
  std::uint64_t written = 0;
  for (std::uint64_t at = 0; at < bytes;) {
    if (auto going = work.check(); !going) return going;
    const auto source = LayerSource::find(layers_, manifest_.base_clusters(), at / kClusterBytes,
                                          (bytes - at) / kClusterBytes);
    if (!source) return source.error();
    std::uint64_t end = at + source->clusters * kClusterBytes;
    if (source->is_zero()) {
      at = end;
      continue;
    }
    if (source->in_base) {  // whose holes may be large
      const auto data = base_->next_data(at);
      if (!data) return data.error();
      const std::uint64_t begin = *data ? (*data)->begin / kClusterBytes * kClusterBytes : end;
      if (begin > at) {
        at = std::min(begin, end);
        continue;
      }
    }
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), end - at));
    if (auto done = read(at, part); !done) return done;
    const auto count = write_clusters(to, at, part);
    if (!count) return count.error();
    work.tell(written += *count);
    at += part.size();
  }
  return {};
}

}  // namespace tl::storage
