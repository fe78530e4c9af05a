// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/cluster_map.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace tl::storage {
namespace {

std::uint64_t page_offset(std::uint64_t index) {
  return (1 + index) * kMapPageBytes;
}

Result<void> write_page(DiskFile& file, std::uint64_t offset, MapPage& page) {
  const iovec piece{page.data(), page.size()};
  return file.write(offset, std::span(&piece, 1));
}

// The run that begins at `first` of the page, ending before `end`.
ClusterMap::Run run_in_page(const MapPage& page, std::uint32_t first, std::uint32_t end) {
  const ClusterState state = map_entry(page, first);
  std::uint32_t next = first + 1;
  while (next < end && map_entry(page, next) == state) ++next;
  return {state, next - first};
}

}  // namespace

ClusterMap::ClusterMap(std::unique_ptr<DiskFile> file, MapHeader header)
    : file_(std::move(file)), header_(std::move(header)), slots_(map_page_count(header_.device_bytes)) {}

Result<ClusterMap> ClusterMap::create(std::unique_ptr<DiskFile> file, const MapHeader& header) {
  MapPage page = encode_map_header(header);
  if (auto written = write_page(*file, 0, page); !written) return written.error();
  ClusterMap map(std::move(file), header);
  for (Slot& slot : map.slots_) slot.known_empty = true;
  return map;
}

Result<ClusterMap> ClusterMap::open(std::unique_ptr<DiskFile> file) {
  auto size = file->size();
  if (!size) return size.error();
  if (size->bytes < kMapPageBytes)
    return Error{ErrorCode::kFailure, "damaged map: shorter than its header", ""};
  MapPage page{};
  if (auto read = file->read(0, page); !read) return read.error();
  auto header = decode_map_header(page);
  if (!header) return header.error();
  if (size->bytes != map_file_bytes(header->device_bytes))
    return Error{ErrorCode::kFailure, "damaged map: its length does not fit its device size", ""};
  return ClusterMap(std::move(file), std::move(*header));
}

Result<void> ClusterMap::read_page(std::uint64_t index, MapPage& into) {
  if (auto read = file_->read(page_offset(index), into); !read) return read.error();
  if (auto sound = verify_map_page(into, index, header_.id); !sound) return sound.error();
  const std::uint64_t left = clusters() - index * kClustersPerMapPage;
  for (std::uint64_t i = left; i < kClustersPerMapPage; ++i)
    if (map_entry(into, static_cast<std::uint32_t>(i)) != ClusterState::kAbsent)
      return Error{ErrorCode::kFailure, "damaged map: entries beyond the end of the device", ""};
  return {};
}

Result<void> ClusterMap::scan(const RunVisitor& visit) {
  for (Slot& slot : slots_) slot.known_empty = slot.page == nullptr;
  auto page = std::make_unique<MapPage>();
  std::uint64_t next = 0;
  while (next < slots_.size()) {
    auto data = file_->next_data(page_offset(next));
    if (!data) return data.error();
    if (!data->has_value()) break;
    next = std::max(next, (*data)->begin / kMapPageBytes - 1);
    const std::uint64_t end = std::min<std::uint64_t>(slots_.size(), ((*data)->end - 1) / kMapPageBytes);
    for (; next < end; ++next) {
      if (auto read = read_page(next, *page); !read) return read.error();
      if (is_all_zero(*page)) continue;
      slots_[next].known_empty = false;
      slots_[next].reserved = true;
      for (std::uint32_t i = 0; i < kClustersPerMapPage;) {
        const Run run = run_in_page(*page, i, kClustersPerMapPage);
        if (run.state != ClusterState::kAbsent) visit(next * kClustersPerMapPage + i, run);
        i += static_cast<std::uint32_t>(run.length);
      }
    }
  }
  return {};
}

Result<void> ClusterMap::load(std::uint64_t index) {
  Slot& slot = slots_[index];
  if (slot.page || slot.known_empty) return {};
  auto page = std::make_unique<MapPage>();
  if (auto read = read_page(index, *page); !read) return read.error();
  if (is_all_zero(*page)) {
    slot.known_empty = true;
  } else {
    slot.page = std::move(page);
    slot.reserved = true;
  }
  return {};
}

Result<ClusterMap::Run> ClusterMap::run(std::uint64_t first, std::uint64_t limit) {
  TL_CHECK(limit > 0 && first < clusters() && limit <= clusters() - first);
  const std::uint64_t index = first / kClustersPerMapPage;
  if (auto loaded = load(index); !loaded) return loaded.error();
  const auto in_page = static_cast<std::uint32_t>(first % kClustersPerMapPage);
  const auto end = static_cast<std::uint32_t>(std::min<std::uint64_t>(kClustersPerMapPage, in_page + limit));
  const Slot& slot = slots_[index];
  if (!slot.page) return Run{ClusterState::kAbsent, end - in_page};
  return run_in_page(*slot.page, in_page, end);
}

Result<void> ClusterMap::prepare(std::uint64_t first, std::uint64_t count) {
  TL_CHECK(count > 0 && first < clusters() && count <= clusters() - first);
  for (std::uint64_t i = first / kClustersPerMapPage; i <= (first + count - 1) / kClustersPerMapPage; ++i) {
    if (auto loaded = load(i); !loaded) return loaded.error();
    Slot& slot = slots_[i];
    if (!slot.reserved) {
      if (auto done = file_->reserve(page_offset(i), kMapPageBytes); !done) return done.error();
      slot.reserved = true;
    }
    if (!slot.page) {
      slot.page = std::make_unique<MapPage>();
      slot.known_empty = false;
    }
  }
  return {};
}

void ClusterMap::set(std::uint64_t first, std::uint64_t count, ClusterState state) {
  for (std::uint64_t i = first / kClustersPerMapPage; i <= (first + count - 1) / kClustersPerMapPage; ++i) {
    if (!std::exchange(slots_[i].dirty, true)) dirty_.push_back(i);
  }
  set_unrecorded(first, count, state);
}

void ClusterMap::set_unrecorded(std::uint64_t first, std::uint64_t count, ClusterState state) {
  TL_CHECK(count > 0 && first < clusters() && count <= clusters() - first);
  for (std::uint64_t cluster = first; cluster < first + count; ++cluster) {
    const Slot& slot = slots_[cluster / kClustersPerMapPage];
    TL_CHECK(slot.page != nullptr);
    set_map_entry(*slot.page, static_cast<std::uint32_t>(cluster % kClustersPerMapPage), state);
  }
}

Result<void> ClusterMap::write_back() {
  for (const std::uint64_t index : dirty_) {
    MapPage& page = *slots_[index].page;
    seal_map_page(page, index, header_.id);
    if (auto written = write_page(*file_, page_offset(index), page); !written) return written.error();
  }
  return {};
}

Result<void> ClusterMap::sync() {
  if (auto synced = file_->sync(); !synced) return synced.error();
  for (const std::uint64_t index : dirty_) slots_[index].dirty = false;
  dirty_.clear();
  return {};
}

}  // namespace tl::storage
