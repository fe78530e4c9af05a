// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "runtime/storage/layered_disk.hpp"

namespace tl::storage::test {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;

using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

// Uniform in [0, bound); the standard's distributions differ between libraries, and a seed must mean one
// thing.
std::uint64_t below(Random& random, std::uint64_t bound);

Bytes filled(std::uint64_t length, int value);
// Bytes that differ from place to place and from seed to seed, and are never zero.
Bytes pattern(std::uint64_t length, std::uint64_t seed);

// A folder of its own under the system's temp folder, removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const Bytes& bytes);
Bytes read_file(const std::filesystem::path& path);
// What the file really uses on the host.
std::uint64_t allocated_bytes(const std::filesystem::path& path);

// An image file with pattern(length, 1) and what is needed to put a disk on it.
DiskBase make_base(const TempFolder& folder, std::uint64_t length);

// Ends the test with the disk's own words when there is none.
std::unique_ptr<LayeredDisk> must(Result<std::unique_ptr<LayeredDisk>> disk);
Bytes read_at(BlockDevice& device, std::uint64_t offset, std::uint64_t length);
void write_at(BlockDevice& device, std::uint64_t offset, const Bytes& bytes);
void must(const Result<void>& done);

// The files of the disk in `dir` that end in `suffix` (".data", ".map"), sorted.
std::vector<std::filesystem::path> disk_files(const std::filesystem::path& dir, const std::string& suffix);

}  // namespace tl::storage::test
