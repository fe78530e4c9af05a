// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/layered_disk_support.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/support/catch.hpp"

namespace tl::storage::test {

std::uint64_t below(Random& random, std::uint64_t bound) {
  return random() % bound;
}

Bytes filled(std::uint64_t length, int value) {
  return Bytes(length, static_cast<std::byte>(value));
}

Bytes pattern(std::uint64_t length, std::uint64_t seed) {
  Bytes bytes(length);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>((state >> 33 & 0xff) | 1);
  }
  return bytes;
}

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tl-storage-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

Bytes read_file(const std::filesystem::path& path) {
  Bytes bytes(std::filesystem::file_size(path));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
  return bytes;
}

std::uint64_t allocated_bytes(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

DiskBase make_base(const TempFolder& folder, std::uint64_t length) {
  const auto path = folder.path() / "base.img";
  write_file(path, pattern(length, 1));
  return DiskBase{path, "sha256:0001"};
}

std::unique_ptr<LayeredDisk> must(Result<std::unique_ptr<LayeredDisk>> disk) {
  if (!disk) FAIL(disk.error().message);
  return std::move(*disk);
}

void must(const Result<void>& done) {
  if (!done) FAIL(done.error().message);
}

Bytes read_at(BlockDevice& device, std::uint64_t offset, std::uint64_t length) {
  Bytes bytes = filled(length, 0xa5);
  must(device.read(offset, bytes));
  return bytes;
}

void write_at(BlockDevice& device, std::uint64_t offset, const Bytes& bytes) {
  must(device.write(offset, bytes));
}

std::vector<std::filesystem::path> disk_files(const std::filesystem::path& dir, const std::string& suffix) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir))
    if (entry.path().extension() == suffix) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tl::storage::test
