// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "runtime/snapshot/memory_image.hpp"
#include "tests/support/catch.hpp"

namespace tl::snapshot::test {

using Random = std::mt19937_64;

// Uniform in [0, bound); the standard's distributions differ between libraries, and a seed must mean one
// thing.
std::uint64_t below(Random& random, std::uint64_t bound);

// A folder of its own, removed at the end.
class TempFolder {
 public:
  explicit TempFolder(const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // A new folder inside.
  [[nodiscard]] std::filesystem::path folder(const std::string& name) const;

 private:
  std::filesystem::path path_;
};

UniqueFd open_folder(const std::filesystem::path& path);
std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);
std::uint64_t inode_of(const std::filesystem::path& path);

// Anonymous memory of this process in the place of a guest's RAM.
class Ram {
 public:
  explicit Ram(std::uint64_t pages);
  ~Ram();
  Ram(const Ram&) = delete;
  Ram& operator=(const Ram&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::byte* page(std::uint64_t number) const { return bytes_.data() + number * kPageBytes; }
  // Makes a page what no other value makes it; 0 makes it zero.
  void fill(std::uint64_t number, std::uint64_t value) const;
  void fill(PageRun run, std::uint64_t value) const;
  // What fill() made of it; fails the test when it is not of one piece.
  [[nodiscard]] std::uint64_t value(std::uint64_t number) const;
  [[nodiscard]] bool operator==(const Ram& other) const;

 private:
  std::span<std::byte> bytes_;
};

// Ends the test with the result's own words when there is none.
template <typename T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return std::move(result).value();
}
inline void must(const Result<void>& done) {
  if (!done) FAIL(done.error().message);
}

MemoryImage create_image(const std::filesystem::path& folder, std::uint64_t pages);
Result<MemoryImage> try_open_image(const std::filesystem::path& folder, std::uint64_t pages);
MemoryImage open_image(const std::filesystem::path& folder, std::uint64_t pages);

// All pages may have been written.
RamPages all_written(std::uint64_t pages);
// Only these.
RamPages written(std::uint64_t pages, const std::vector<PageRun>& runs);

// What a guest that is restored from the image by mapping sees is what `ram` is.
void check_image_is(const MemoryImage& image, const Ram& ram);

}  // namespace tl::snapshot::test
