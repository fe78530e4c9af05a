// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/page_set.hpp"

#include <algorithm>
#include <bit>

#include "common/check.hpp"

namespace tl::snapshot {
namespace {

constexpr std::uint64_t kBits = 64;

// Calls `change(word, mask)` for every word that the run has bits in.
template <typename Change>
void for_each_mask(PageRun run, Change change) {
  while (run.count > 0) {
    const std::uint64_t shift = run.first % kBits;
    const std::uint64_t here = std::min(kBits - shift, run.count);
    const std::uint64_t ones = here == kBits ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1;
    change(run.first / kBits, ones << shift);
    run.first += here;
    run.count -= here;
  }
}

}  // namespace

std::uint64_t PageSet::count() const {
  std::uint64_t total = 0;
  for (const std::uint64_t word : words_) total += static_cast<std::uint64_t>(std::popcount(word));
  return total;
}

bool PageSet::empty() const {
  return std::all_of(words_.begin(), words_.end(), [](std::uint64_t word) { return word == 0; });
}

void PageSet::add(PageRun run) {
  TL_CHECK(run.end() <= pages_);
  for_each_mask(run, [&](std::uint64_t word, std::uint64_t mask) { words_[word] |= mask; });
}

void PageSet::remove(PageRun run) {
  TL_CHECK(run.end() <= pages_);
  for_each_mask(run, [&](std::uint64_t word, std::uint64_t mask) { words_[word] &= ~mask; });
}

void PageSet::clear() {
  std::fill(words_.begin(), words_.end(), 0);
}

PageSet& PageSet::operator|=(const PageSet& other) {
  TL_CHECK(pages_ == other.pages_);
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  return *this;
}

PageSet& PageSet::operator&=(const PageSet& other) {
  TL_CHECK(pages_ == other.pages_);
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  return *this;
}

PageSet& PageSet::operator-=(const PageSet& other) {
  TL_CHECK(pages_ == other.pages_);
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  return *this;
}

std::uint64_t PageSet::find(bool value, std::uint64_t from, std::uint64_t until) const {
  until = std::min(until, pages_);
  while (from < until) {
    const std::uint64_t word = (value ? words_[from / kBits] : ~words_[from / kBits]) >> from % kBits;
    if (word != 0) return std::min(until, from + static_cast<std::uint64_t>(std::countr_zero(word)));
    from += kBits - from % kBits;
  }
  return until;
}

PageRun PageSet::next_run(std::uint64_t from, std::uint64_t until) const {
  const std::uint64_t first = find(true, from, until);
  return {first, find(false, first, until) - first};
}

std::vector<PageRun> PageSet::runs() const {
  std::vector<PageRun> found;
  for (PageRun run = next_run(0, pages_); run.count > 0; run = next_run(run.end(), pages_))
    found.push_back(run);
  return found;
}

bool PageSet::assign(std::span<const std::uint64_t> words) {
  TL_CHECK(words.size() == words_.size());
  if (pages_ % kBits != 0 && words.back() >> pages_ % kBits != 0) return false;
  std::copy(words.begin(), words.end(), words_.begin());
  return true;
}

}  // namespace tl::snapshot
