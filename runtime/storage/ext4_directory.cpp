// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_directory.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <tuple>

#include "runtime/storage/ext4_error.hpp"
#include "runtime/storage/ext4_volume.hpp"

// The formats are those of Documentation/filesystems/ext4/directory.rst of the kernel.
//
// A plain block is a row of entries, each pointing to the next by its length; the last one reaches up to a
// tail with the checksum. In an indexed directory block 0 is the root of the tree: "." and "..", dressed up
// so that a reader that knows no index sees an otherwise empty block, then pairs (lowest hash, block). The
// pairs point to the leaves, or, when there are more leaves than fit, to nodes of the same form, which point
// to the leaves. Leaves are plain blocks that hold the names of one range of hashes. A range that begins with
// the very hash the one before ended with has the lowest bit of its hash set: "look there too".
namespace tl::storage {
namespace {

constexpr std::size_t kBlock = Ext4Volume::kBlockBytes;
constexpr std::size_t kTail = sizeof(ext2_dir_entry_tail);
constexpr std::size_t kRoom = kBlock - kTail;
constexpr std::size_t kIndexedRoom =
    kRoom * 4 / 5;                 // leaves with space for later names, so that they need not split
constexpr std::size_t kDots = 24;  // "." and ".."
constexpr std::size_t kRootPairs = kDots + sizeof(ext2_dx_root_info);
constexpr std::size_t kNodePairs = 8;
constexpr std::size_t kMaxRootPairs = (kBlock - kRootPairs - sizeof(ext2_dx_tail)) / sizeof(ext2_dx_entry);
constexpr std::size_t kMaxNodePairs = (kBlock - kNodePairs - sizeof(ext2_dx_tail)) / sizeof(ext2_dx_entry);

std::size_t length_of(std::size_t name_bytes) {
  return (8 + name_bytes + 3) / 4 * 4;
}

// Fills one block with entries from the front.
class Block {
 public:
  explicit Block(std::byte* at) : at_(at) {}

  void add(const Ext4DirectoryEntry& entry) {
    last_ = used_;
    put(last_, entry.inode, length_of(entry.name.size()), entry.name.size(), entry.type);
    std::memcpy(at_ + last_ + 8, entry.name.data(), entry.name.size());
    used_ += length_of(entry.name.size());
  }
  // The last entry gets all that is left, up to `end`.
  void stretch(std::size_t end) {
    if (used_ == 0) put(0, 0, end, 0, 0);
    const auto length = static_cast<std::uint16_t>(end - last_);
    std::memcpy(at_ + last_ + 4, &length, sizeof length);
  }
  void add_tail(ext2_filsys fs) {
    ext2fs_initialize_dirent_tail(fs, reinterpret_cast<ext2_dir_entry_tail*>(at_ + kRoom));
  }

 private:
  void put(std::size_t offset, std::uint32_t inode, std::size_t length, std::size_t name_bytes,
           std::uint8_t type) {
    const auto length16 = static_cast<std::uint16_t>(length);
    std::memcpy(at_ + offset, &inode, 4);
    std::memcpy(at_ + offset + 4, &length16, 2);
    at_[offset + 6] = static_cast<std::byte>(name_bytes);
    at_[offset + 7] = static_cast<std::byte>(type);
  }
  std::byte* at_;
  std::size_t used_ = 0;
  std::size_t last_ = 0;
};

struct Hashed {
  std::uint32_t hash;
  const Ext4DirectoryEntry* entry;
};

struct Leaf {
  std::uint32_t hash;  // what the index says of it
  std::span<const Hashed> entries;
};

Result<std::vector<Hashed>> sort_by_hash(ext2_filsys fs, const std::vector<Ext4DirectoryEntry>& entries) {
  std::vector<Hashed> hashed;
  hashed.reserve(entries.size());
  for (const auto& entry : entries) {
    ext2_dirhash_t hash = 0;
    const errcode_t code =
        ext2fs_dirhash2(fs->super->s_def_hash_version, entry.name.data(), static_cast<int>(entry.name.size()),
                        nullptr, 0, fs->super->s_hash_seed, &hash, nullptr);
    if (code != 0) return ext4_error(code, "hash a name");
    hashed.push_back(Hashed{hash, &entry});
  }
  std::sort(hashed.begin(), hashed.end(), [](const Hashed& a, const Hashed& b) {
    return std::tie(a.hash, a.entry->name) < std::tie(b.hash, b.entry->name);
  });
  return hashed;
}

std::vector<Leaf> cut_into_leaves(std::span<const Hashed> entries) {
  std::vector<Leaf> leaves;
  std::size_t begin = 0;
  std::size_t used = 0;
  std::uint32_t index_hash = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t length = length_of(entries[i].entry->name.size());
    if (i > begin && used + length > kIndexedRoom) {
      leaves.push_back(Leaf{index_hash, entries.subspan(begin, i - begin)});
      index_hash = entries[i].hash | (entries[i].hash == entries[i - 1].hash ? 1U : 0U);
      begin = i;
      used = 0;
    }
    used += length;
  }
  leaves.push_back(Leaf{index_hash, entries.subspan(begin)});
  return leaves;
}

// The first pair's hash is implied; its place holds the limit and the count.
void put_pairs(std::byte* at, std::size_t limit, std::span<const ext2_dx_entry> pairs) {
  std::memcpy(at, pairs.data(), pairs.size_bytes());
  const ext2_dx_countlimit counts{static_cast<std::uint16_t>(limit),
                                  static_cast<std::uint16_t>(pairs.size())};
  std::memcpy(at, &counts, sizeof counts);
}

void put_root(std::byte* at, std::uint32_t self, std::uint32_t parent, std::uint8_t levels,
              std::span<const ext2_dx_entry> pairs) {
  Block dots(at);
  dots.add({".", self, EXT2_FT_DIR});
  dots.add({"..", parent, EXT2_FT_DIR});
  dots.stretch(kBlock);
  const ext2_dx_root_info info{0, EXT2_HASH_HALF_MD4, sizeof(ext2_dx_root_info), levels, 0};
  std::memcpy(at + kDots, &info, sizeof info);
  put_pairs(at + kRootPairs, kMaxRootPairs, pairs);
}

void put_node(std::byte* at, std::span<const ext2_dx_entry> pairs) {
  const auto length = static_cast<std::uint16_t>(kBlock);
  std::memcpy(at + 4, &length, sizeof length);  // looks like one unused entry
  put_pairs(at + kNodePairs, kMaxNodePairs, pairs);
}

Result<std::vector<std::byte>> pack_indexed(ext2_filsys fs, std::uint32_t self, std::uint32_t parent,
                                            const std::vector<Ext4DirectoryEntry>& entries) {
  const auto hashed = sort_by_hash(fs, entries);
  if (!hashed) return hashed.error();
  const std::vector<Leaf> leaves = cut_into_leaves(*hashed);
  const bool two_levels = leaves.size() > kMaxRootPairs;
  const std::size_t nodes = two_levels ? (leaves.size() + kMaxNodePairs - 1) / kMaxNodePairs : 0;
  if (nodes > kMaxRootPairs) return Error{ErrorCode::kOutOfRange, "too many names in one directory", ""};

  std::vector<std::byte> bytes((1 + nodes + leaves.size()) * kBlock);
  std::vector<ext2_dx_entry> pairs;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const std::size_t number = 1 + nodes + i;
    pairs.push_back({leaves[i].hash, static_cast<std::uint32_t>(number)});
    Block block(&bytes[number * kBlock]);
    for (const auto& item : leaves[i].entries) block.add(*item.entry);
    block.stretch(kRoom);
    block.add_tail(fs);
  }
  std::vector<ext2_dx_entry> top;
  for (std::size_t node = 0; node < nodes; ++node) {
    const std::size_t first = node * kMaxNodePairs;
    const auto part = std::span(pairs).subspan(first, std::min(kMaxNodePairs, pairs.size() - first));
    top.push_back({part[0].hash, static_cast<std::uint32_t>(1 + node)});
    put_node(&bytes[(1 + node) * kBlock], part);
  }
  put_root(bytes.data(), self, parent, two_levels ? 1 : 0, two_levels ? top : pairs);
  return bytes;
}

}  // namespace

Result<Ext4DirectoryBlocks> pack_directory(ext2_filsys fs, std::uint32_t self, std::uint32_t parent,
                                           const std::vector<Ext4DirectoryEntry>& entries,
                                           std::size_t min_blocks) {
  std::size_t length = kDots;
  for (const auto& entry : entries) length += length_of(entry.name.size());
  Ext4DirectoryBlocks result{{}, length > kRoom};
  if (result.indexed) {
    auto bytes = pack_indexed(fs, self, parent, entries);
    if (!bytes) return bytes.error();
    result.bytes = *std::move(bytes);
  } else {
    result.bytes.resize(min_blocks * kBlock);
    Block first(result.bytes.data());
    first.add({".", self, EXT2_FT_DIR});
    first.add({"..", parent, EXT2_FT_DIR});
    for (const auto& entry : entries) first.add(entry);
    first.stretch(kRoom);
    first.add_tail(fs);
    for (std::size_t at = kBlock; at < result.bytes.size(); at += kBlock) {
      Block empty(&result.bytes[at]);
      empty.stretch(kRoom);
      empty.add_tail(fs);
    }
  }
  for (std::size_t at = 0; at < result.bytes.size(); at += kBlock) {
    auto* block = reinterpret_cast<ext2_dir_entry*>(&result.bytes[at]);
    if (const errcode_t code = ext2fs_dir_block_csum_set(fs, self, block))
      return ext4_error(code, "directory");
  }
  return result;
}

}  // namespace tl::storage
