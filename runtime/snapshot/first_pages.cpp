// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/first_pages.hpp"

#include <sys/mman.h>

#include <charconv>

#include <fmt/format.h>

#include "common/check.hpp"

namespace tl::snapshot {
namespace {

#ifdef MADV_POPULATE_WRITE
constexpr int kPopulateWrite = MADV_POPULATE_WRITE;
#else
constexpr int kPopulateWrite = 23;  // Linux 5.14
#endif

// Takes a number from the front of `text`.
bool take(std::string_view& text, std::uint64_t& number) {
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string page_list_text(const PageSet& pages, std::uint64_t most) {
  if (pages.count() > most) return {};
  std::string text;
  for (const PageRun& run : pages.runs()) {
    if (!text.empty()) text += ' ';
    text += run.count == 1 ? fmt::format("{}", run.first) : fmt::format("{}+{}", run.first, run.count);
  }
  return text;
}

PageSet page_list_from(std::string_view text, std::uint64_t pages, std::uint64_t most) {
  PageSet found(pages);
  std::uint64_t left = most;
  while (!text.empty()) {
    PageRun run{0, 1};
    if (!take(text, run.first)) return PageSet(pages);
    if (take(text, '+') && !take(text, run.count)) return PageSet(pages);
    if (run.first >= pages || run.count == 0 || run.count > pages - run.first || run.count > left)
      return PageSet(pages);
    left -= run.count;
    found.add(run);
    if (!text.empty() && (!take(text, ' ') || text.empty())) return PageSet(pages);
  }
  return found;
}

void copy_in_advance(std::span<std::byte> ram, const PageSet& pages) {
  TL_CHECK(ram.size() == pages.size() * kPageBytes);
  for (const PageRun& run : pages.runs()) {
    if (::madvise(ram.data() + run.first * kPageBytes, run.count * kPageBytes, kPopulateWrite) != 0) return;
  }
}

}  // namespace tl::snapshot
