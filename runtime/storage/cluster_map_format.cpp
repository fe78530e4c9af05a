// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/cluster_map_format.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace tl::storage {
namespace {

constexpr std::string_view kMagic("TLDELTA\0", 8);
constexpr std::uint32_t kVersion = 1;

// Offsets in the header's only sector in use; the rest of its page is zero.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kClusterBytesAt = 12;
constexpr std::size_t kDeviceBytesAt = 16;
constexpr std::size_t kIdAt = 24;
constexpr std::size_t kParentAt = kIdAt + kLayerIdLength;
constexpr std::size_t kUsedEnd = kParentAt + kLayerIdLength;
// Offsets at the end of every sector, the header's included (which has no number).
constexpr std::size_t kNumberAt = 504;
constexpr std::size_t kChecksumAt = 508;

template <typename T>
void put_little(std::span<std::byte> at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}

template <typename T>
T get_little(std::span<const std::byte> at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(std::to_integer<T>(at[i]) << (8 * i));
  return value;
}

std::uint32_t checksum(std::string_view id, std::span<const std::byte> bytes) {
  uLong sum = ::crc32(0, reinterpret_cast<const Bytef*>(id.data()), static_cast<uInt>(id.size()));
  sum = ::crc32(sum, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
  return static_cast<std::uint32_t>(sum);
}

Error damaged(std::string_view what) {
  return Error{ErrorCode::kFailure, "damaged map: " + std::string(what), ""};
}

std::string text_at(const MapPage& page, std::size_t at) {
  const auto* begin = reinterpret_cast<const char*>(page.data() + at);
  return std::string(begin, kLayerIdLength);
}

}  // namespace

bool is_valid_device_size(std::uint64_t bytes) {
  return bytes > 0 && bytes <= kMaxDeviceBytes && bytes % kClusterBytes == 0;
}

bool is_valid_layer_id(const std::string& id) {
  return id.size() == kLayerIdLength && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
         });
}

std::uint64_t map_page_count(std::uint64_t device_bytes) {
  const std::uint64_t clusters = device_bytes / kClusterBytes;
  return (clusters + kClustersPerMapPage - 1) / kClustersPerMapPage;
}

std::uint64_t map_file_bytes(std::uint64_t device_bytes) {
  return (1 + map_page_count(device_bytes)) * kMapPageBytes;
}

MapPage encode_map_header(const MapHeader& header) {
  TL_CHECK(is_valid_device_size(header.device_bytes) && is_valid_layer_id(header.id));
  TL_CHECK(header.parent.empty() || is_valid_layer_id(header.parent));
  MapPage page{};
  const std::span<std::byte> bytes(page);
  std::memcpy(page.data(), kMagic.data(), kMagic.size());
  put_little(bytes.subspan(kVersionAt), kVersion);
  put_little(bytes.subspan(kClusterBytesAt), kClusterBytes);
  put_little(bytes.subspan(kDeviceBytesAt), header.device_bytes);
  std::memcpy(page.data() + kIdAt, header.id.data(), kLayerIdLength);
  std::memcpy(page.data() + kParentAt, header.parent.data(), header.parent.size());
  put_little(bytes.subspan(kChecksumAt), checksum({}, bytes.first(kChecksumAt)));
  return page;
}

Result<MapHeader> decode_map_header(const MapPage& page) {
  const std::span<const std::byte> bytes(page);
  if (std::memcmp(page.data(), kMagic.data(), kMagic.size()) != 0)
    return Error{ErrorCode::kFailure, "not a map file", ""};
  const auto version = get_little<std::uint32_t>(bytes.subspan(kVersionAt));
  if (version != kVersion)
    return Error{ErrorCode::kFailure, "map version " + std::to_string(version) + " is unknown",
                 "it was made by another version of tl"};
  if (get_little<std::uint32_t>(bytes.subspan(kChecksumAt)) != checksum({}, bytes.first(kChecksumAt)))
    return damaged("header checksum does not match");
  if (get_little<std::uint32_t>(bytes.subspan(kClusterBytesAt)) != kClusterBytes)
    return damaged("cluster size is not 4096");
  if (!is_all_zero(bytes.subspan(kUsedEnd, kChecksumAt - kUsedEnd)) ||
      !is_all_zero(bytes.subspan(kMapSectorBytes)))
    return damaged("header has bytes where none belong");
  MapHeader header{get_little<std::uint64_t>(bytes.subspan(kDeviceBytesAt)), text_at(page, kIdAt), ""};
  if (!is_valid_device_size(header.device_bytes)) return damaged("device size is out of range");
  if (!is_valid_layer_id(header.id)) return damaged("layer id is malformed");
  if (!is_all_zero(bytes.subspan(kParentAt, kLayerIdLength))) {
    header.parent = text_at(page, kParentAt);
    if (!is_valid_layer_id(header.parent)) return damaged("parent id is malformed");
  }
  return header;
}

void seal_map_page(MapPage& page, std::uint64_t page_index, const std::string& id) {
  for (std::uint32_t i = 0; i < kMapSectorsPerPage; ++i) {
    const auto sector = std::span(page).subspan(i * kMapSectorBytes, kMapSectorBytes);
    put_little(sector.subspan(kNumberAt), static_cast<std::uint32_t>(page_index * kMapSectorsPerPage + i));
    put_little(sector.subspan(kChecksumAt), checksum(id, sector.first(kChecksumAt)));
  }
}

Result<void> verify_map_page(const MapPage& page, std::uint64_t page_index, const std::string& id) {
  for (std::uint32_t i = 0; i < kMapSectorsPerPage; ++i) {
    const auto sector = std::span(page).subspan(i * kMapSectorBytes, kMapSectorBytes);
    if (is_all_zero(sector)) continue;
    const auto number = static_cast<std::uint32_t>(page_index * kMapSectorsPerPage + i);
    if (get_little<std::uint32_t>(sector.subspan(kNumberAt)) != number ||
        get_little<std::uint32_t>(sector.subspan(kChecksumAt)) != checksum(id, sector.first(kChecksumAt)))
      return damaged("sector " + std::to_string(number) + " does not match its checksum");
  }
  return {};
}

bool is_all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace tl::storage
