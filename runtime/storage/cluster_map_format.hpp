// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/result.hpp"

// The bytes of a map file, as FORMAT.md describes them: one header page, then the map pages, each of eight
// sectors that carry their own checksum.
namespace tl::storage {

inline constexpr std::uint32_t kClusterBytes = 4096;
inline constexpr std::uint32_t kMapPageBytes = 4096;
inline constexpr std::uint32_t kMapSectorBytes = 512;
inline constexpr std::uint32_t kMapSectorsPerPage = kMapPageBytes / kMapSectorBytes;
inline constexpr std::uint32_t kClustersPerMapSector = 2016;  // 504 bytes of four clusters each
inline constexpr std::uint32_t kClustersPerMapPage = kClustersPerMapSector * kMapSectorsPerPage;
inline constexpr std::size_t kLayerIdLength = 16;
// The largest disk of a sandbox is 100 GiB; the rest is slack, and the bound for a hostile header.
inline constexpr std::uint64_t kMaxDeviceBytes = std::uint64_t{128} << 30;

// What one delta knows about a cluster. The numbers are those on disk.
enum class ClusterState : std::uint8_t {
  kAbsent = 0,    // ask the layer below
  kPresent = 1,   // the data file has it
  kZero = 2,      // reads as zeroes whatever is below
  kZeroHeld = 3,  // the same, and the data file may still hold blocks that are to be given back
};

using MapPage = std::array<std::byte, kMapPageBytes>;

struct MapHeader {
  std::uint64_t device_bytes = 0;
  std::string id;      // of this layer; [0-9a-z], kLayerIdLength long
  std::string parent;  // of the layer right below; empty when that is the base image
};

// A positive multiple of the cluster size, at most kMaxDeviceBytes.
[[nodiscard]] bool is_valid_device_size(std::uint64_t bytes);
[[nodiscard]] bool is_valid_layer_id(const std::string& id);

[[nodiscard]] std::uint64_t map_page_count(std::uint64_t device_bytes);
[[nodiscard]] std::uint64_t map_file_bytes(std::uint64_t device_bytes);

[[nodiscard]] MapPage encode_map_header(const MapHeader& header);
Result<MapHeader> decode_map_header(const MapPage& page);

// Writes number and checksum into each sector of the page, which is the `page_index`th map page of layer
// `id`.
void seal_map_page(MapPage& page, std::uint64_t page_index, const std::string& id);
// A sector must be sealed, or wholly zero, which says that everything is absent.
Result<void> verify_map_page(const MapPage& page, std::uint64_t page_index, const std::string& id);
[[nodiscard]] bool is_all_zero(std::span<const std::byte> bytes);

// `cluster` counts from the page's first.
[[nodiscard]] inline ClusterState map_entry(const MapPage& page, std::uint32_t cluster) {
  const std::uint32_t in_sector = cluster % kClustersPerMapSector;
  const std::uint32_t at = cluster / kClustersPerMapSector * kMapSectorBytes + in_sector / 4;
  return static_cast<ClusterState>(std::to_integer<unsigned>(page[at]) >> (in_sector % 4 * 2) & 3U);
}

inline void set_map_entry(MapPage& page, std::uint32_t cluster, ClusterState state) {
  const std::uint32_t in_sector = cluster % kClustersPerMapSector;
  std::byte& entry = page[cluster / kClustersPerMapSector * kMapSectorBytes + in_sector / 4];
  const unsigned shift = in_sector % 4 * 2;
  entry = (entry & ~(std::byte{3} << shift)) | std::byte{static_cast<std::uint8_t>(state)} << shift;
}

}  // namespace tl::storage
