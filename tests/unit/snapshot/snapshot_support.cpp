// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/snapshot/snapshot_support.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/io.hpp"

namespace tl::snapshot::test {

namespace fs = std::filesystem;

std::uint64_t below(Random& random, std::uint64_t bound) {
  return random() % bound;
}

TempFolder::TempFolder(const fs::path& parent) {
  std::string name = (parent / "tl-snapshot-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TempFolder::folder(const std::string& name) const {
  fs::create_directory(path_ / name);
  return path_ / name;
}

UniqueFd open_folder(const fs::path& path) {
  return must(open_at(AT_FDCWD, path.string(), O_RDONLY | O_DIRECTORY));
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  REQUIRE(file.good());
}

std::uint64_t inode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_ino;
}

Ram::Ram(std::uint64_t pages) {
  const std::size_t size = pages * kPageBytes;
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(at != MAP_FAILED);
  // A huge page would make neighbours of what was written look written.
  ::madvise(at, size, MADV_NOHUGEPAGE);
  bytes_ = {static_cast<std::byte*>(at), size};
}

Ram::~Ram() {
  ::munmap(bytes_.data(), bytes_.size());
}

void Ram::fill(std::uint64_t number, std::uint64_t value) const {
  std::byte* const at = page(number);
  for (std::size_t i = 0; i < kPageBytes; i += sizeof(value)) std::memcpy(at + i, &value, sizeof(value));
}

void Ram::fill(PageRun run, std::uint64_t value) const {
  for (std::uint64_t i = 0; i < run.count; ++i) fill(run.first + i, value);
}

std::uint64_t Ram::value(std::uint64_t number) const {
  std::uint64_t first = 0;
  std::memcpy(&first, page(number), sizeof(first));
  REQUIRE(std::memcmp(page(number), page(number) + sizeof(first), kPageBytes - sizeof(first)) == 0);
  return first;
}

bool Ram::operator==(const Ram& other) const {
  return bytes_.size() == other.bytes_.size() &&
         std::memcmp(bytes_.data(), other.bytes_.data(), bytes_.size()) == 0;
}

MemoryImage create_image(const fs::path& folder, std::uint64_t pages) {
  return must(MemoryImage::create(open_folder(folder), folder, pages * kPageBytes));
}

Result<MemoryImage> try_open_image(const fs::path& folder, std::uint64_t pages) {
  return MemoryImage::open(open_folder(folder), folder, pages * kPageBytes);
}

MemoryImage open_image(const fs::path& folder, std::uint64_t pages) {
  return must(try_open_image(folder, pages));
}

RamPages all_written(std::uint64_t pages) {
  return written(pages, {{0, pages}});
}

RamPages written(std::uint64_t pages, const std::vector<PageRun>& runs) {
  RamPages found{PageSet(pages), PageSet(pages)};
  for (const PageRun& run : runs) found.written.add(run);
  return found;
}

void check_image_is(const MemoryImage& image, const Ram& ram) {
  const Ram restored(image.ram_bytes() / kPageBytes);
  must(image.map_private(restored.page(0)));
  CHECK(restored == ram);
}

}  // namespace tl::snapshot::test
