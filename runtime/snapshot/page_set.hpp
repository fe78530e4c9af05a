// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tl::snapshot {

// The unit in which memory is saved: what the host's MMU tells apart.
inline constexpr std::uint64_t kPageBytes = 4096;

// Neighbouring pages.
struct PageRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  [[nodiscard]] std::uint64_t end() const { return first + count; }
  bool operator==(const PageRun&) const = default;
};

// Some of the pages 0 … size()-1 of a guest's memory: one bit a page, 16 MiB for the largest guest. Pages are
// numbered by their offset in RAM. Plain data; asking beyond size() is a mistake of ours.
class PageSet {
 public:
  PageSet() = default;
  explicit PageSet(std::uint64_t pages) : pages_(pages), words_((pages + 63) / 64) {}

  [[nodiscard]] std::uint64_t size() const { return pages_; }
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] bool empty() const;
  [[nodiscard]] bool contains(std::uint64_t page) const { return (words_[page / 64] >> page % 64 & 1) != 0; }

  void add(PageRun run);
  void remove(PageRun run);
  void add(std::uint64_t page) { words_[page / 64] |= std::uint64_t{1} << page % 64; }
  void remove(std::uint64_t page) { words_[page / 64] &= ~(std::uint64_t{1} << page % 64); }
  void clear();

  // Both sets are of the same size.
  PageSet& operator|=(const PageSet& other);
  PageSet& operator&=(const PageSet& other);
  PageSet& operator-=(const PageSet& other);
  bool operator==(const PageSet&) const = default;

  // The first run at or behind `from`, as long as it goes but not beyond `until`; its count is 0 when there
  // is none.
  [[nodiscard]] PageRun next_run(std::uint64_t from, std::uint64_t until) const;
  [[nodiscard]] std::vector<PageRun> runs() const;

  // The bits, page p at bit p % 64 of word p / 64; those beyond size() are 0.
  [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }
  // False when a bit beyond size() is set.
  [[nodiscard]] bool assign(std::span<const std::uint64_t> words);

 private:
  // The first page in [from, until) whose bit is `value`; `until` when there is none.
  [[nodiscard]] std::uint64_t find(bool value, std::uint64_t from, std::uint64_t until) const;

  std::uint64_t pages_ = 0;
  std::vector<std::uint64_t> words_;
};

inline PageSet operator|(PageSet left, const PageSet& right) {
  return left |= right;
}
inline PageSet operator&(PageSet left, const PageSet& right) {
  return left &= right;
}
inline PageSet operator-(PageSet left, const PageSet& right) {
  return left -= right;
}

}  // namespace tl::snapshot
