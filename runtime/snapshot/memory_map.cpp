// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/memory_map.hpp"

#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/snapshot/regular_file.hpp"

namespace tl::snapshot {
namespace {

constexpr std::string_view kMagic = "TLMEMMAP";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

// As it is on disk; the host is little-endian, as everything here.
struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t page_bytes;
  std::uint64_t ram_bytes;
  std::array<char, kMemoryIdLength> id;
  std::array<char, kMemoryIdLength> base_id;
  std::uint32_t pages_checksum;   // of everything behind the header
  std::uint32_t header_checksum;  // of everything before
};
static_assert(sizeof(Header) == 64);

std::uint32_t checksum(const void* bytes, std::size_t count) {
  return static_cast<std::uint32_t>(::crc32_z(0, static_cast<const Bytef*>(bytes), count));
}

Error damaged(const std::string& what) {
  return Error{ErrorCode::kFailure, "damaged: " + what, ""};
}

bool is_base36(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

bool is_valid_ram_size(std::uint64_t bytes) {
  return bytes > 0 && bytes <= kMaxRamBytes && bytes % kPageBytes == 0;
}

std::size_t words_of(std::uint64_t ram_bytes) {
  return (ram_bytes / kPageBytes + 63) / 64;
}

std::size_t file_bytes(std::uint64_t ram_bytes) {
  return sizeof(Header) + 2 * words_of(ram_bytes) * kWordBytes;
}

std::string id_text(const std::array<char, kMemoryIdLength>& id) {
  return {id.data(), id.size()};
}

Result<void> decode_pages(std::string_view bytes, MemoryMap& map) {
  const std::size_t words = words_of(map.ram_bytes);
  std::vector<std::uint64_t> bits(words);
  for (PageSet* set : {&map.stored, &map.zero}) {
    std::memcpy(bits.data(), bytes.data(), words * kWordBytes);
    bytes.remove_prefix(words * kWordBytes);
    if (!set->assign(bits)) return damaged("it names pages beyond the memory");
  }
  if (!(map.stored & map.zero).empty()) return damaged("a page is both stored and zero");
  if (map.base_id.empty() && !map.zero.empty()) return damaged("pages are zero in spite of no base");
  return {};
}

}  // namespace

MemoryMap MemoryMap::make(std::uint64_t ram_bytes, const std::string& base_id) {
  TL_CHECK(is_valid_ram_size(ram_bytes));
  const std::uint64_t pages = ram_bytes / kPageBytes;
  return {ram_bytes, random_base36(kMemoryIdLength), base_id, PageSet(pages), PageSet(pages)};
}

std::string MemoryMap::encode() const {
  std::string bytes(sizeof(Header), '\0');
  for (const PageSet* set : {&stored, &zero}) {
    const auto words = std::as_bytes(set->words());
    bytes.append(reinterpret_cast<const char*>(words.data()), words.size());
  }
  Header header = {};
  std::copy(kMagic.begin(), kMagic.end(), header.magic.begin());
  header.version = kVersion;
  header.page_bytes = kPageBytes;
  header.ram_bytes = ram_bytes;
  std::copy(id.begin(), id.end(), header.id.begin());
  std::copy(base_id.begin(), base_id.end(), header.base_id.begin());
  header.pages_checksum = checksum(bytes.data() + sizeof(Header), bytes.size() - sizeof(Header));
  header.header_checksum = checksum(&header, offsetof(Header, header_checksum));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

Result<MemoryMap> MemoryMap::decode(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) return damaged("it is cut off");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::string_view(header.magic.data(), header.magic.size()) != kMagic)
    return damaged("it is no map of a memory");
  if (header.header_checksum != checksum(&header, offsetof(Header, header_checksum)))
    return damaged("its header does not match its checksum");
  if (header.version != kVersion)
    return Error{ErrorCode::kFailure, fmt::format("version {} is unknown", header.version),
                 "it was made by another version of tl"};
  if (header.page_bytes != kPageBytes) return damaged("its pages are not of 4096 bytes");
  if (!is_valid_ram_size(header.ram_bytes)) return damaged("no memory has this size");
  if (bytes.size() != file_bytes(header.ram_bytes)) return damaged("its length is wrong");
  bytes.remove_prefix(sizeof(header));
  if (header.pages_checksum != checksum(bytes.data(), bytes.size()))
    return damaged("its pages do not match their checksum");

  MemoryMap map = make(header.ram_bytes, "");
  map.id = id_text(header.id);
  if (header.base_id != std::array<char, kMemoryIdLength>{}) map.base_id = id_text(header.base_id);
  if (!is_base36(map.id) || !is_base36(map.base_id)) return damaged("an id is malformed");
  if (auto sound = decode_pages(bytes, map); !sound) return sound.error();
  return map;
}

Result<void> MemoryMap::save(int folder, const char* name, Durability durability) const {
  return replace_file(folder, name, encode(), durability);
}

Result<MemoryMap> MemoryMap::load(int folder, const char* name, std::uint64_t ram_bytes) {
  const auto file = open_regular_file(folder, name, O_RDONLY);
  if (!file) return file.error();
  // One byte more than the largest: a longer file is refused for its length and not read to its end.
  std::string bytes(std::min<std::uint64_t>(file->bytes, file_bytes(kMaxRamBytes) + 1), '\0');
  if (auto got = read_exact(file->fd.get(), std::as_writable_bytes(std::span(bytes))); !got)
    return got.error().within(name);
  auto map = decode(bytes);
  if (!map) return map.error().within(name);
  if (map->ram_bytes != ram_bytes) {
    return Error{ErrorCode::kFailure,
                 fmt::format("{}: it is of a memory of {} bytes, and the machine has {}", name,
                             map->ram_bytes, ram_bytes),
                 ""};
  }
  return map;
}

}  // namespace tl::snapshot
