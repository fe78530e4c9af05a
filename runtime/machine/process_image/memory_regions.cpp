// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/memory_regions.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/io.hpp"

namespace tl::machine {
namespace {

constexpr std::size_t kSmapsBytes = 16 << 20;
constexpr std::string_view kFlags = "VmFlags:";

// What madvise(2) has set, by smaps's two letters.
constexpr std::array<std::pair<std::string_view, int>, 4> kAdvice = {{
    {"hg", MADV_HUGEPAGE},
    {"nh", MADV_NOHUGEPAGE},
    {"dd", MADV_DONTDUMP},
    {"dc", MADV_DONTFORK},
}};

Error strange() {
  return Error{ErrorCode::kFailure, "the kernel tells of memory in words that are not understood", ""};
}

// Cuts off and returns the next word.
std::string_view next_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t end = std::min(line.find(' ', begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "7f2ce4000000-7f2ce4021000 rw-p 00000000 00:01 25    /memfd:guest (deleted)"
std::optional<MemoryRegion> parse_head(std::string_view line) {
  const std::string_view range = next_word(line);
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto begin = number(range.substr(0, dash), 16);
  const auto end = number(range.substr(dash + 1), 16);
  const std::string_view rights = next_word(line);
  const auto offset = number(next_word(line), 16);
  const std::string_view device = next_word(line);
  const std::size_t colon = device.find(':');
  if (colon == std::string_view::npos || rights.size() != 4) return std::nullopt;
  const auto major_number = number(device.substr(0, colon), 16);
  const auto minor_number = number(device.substr(colon + 1), 16);
  const auto inode = number(next_word(line), 10);
  if (!begin || !end || !offset || !major_number || !minor_number || !inode || *begin >= *end)
    return std::nullopt;
  MemoryRegion region;
  region.begin = *begin;
  region.end = *end;
  region.protection = (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0) |
                      (rights[2] == 'x' ? PROT_EXEC : 0);
  region.shared = rights[3] == 's';
  region.offset = *offset;
  region.device = makedev(static_cast<unsigned>(*major_number), static_cast<unsigned>(*minor_number));
  region.inode = *inode;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  region.name = line;
  return region;
}

}  // namespace

Result<std::vector<MemoryRegion>> parse_regions(std::string_view smaps) {
  std::vector<MemoryRegion> regions;
  while (!smaps.empty()) {
    const std::size_t end = std::min(smaps.find('\n'), smaps.size());
    std::string_view line = smaps.substr(0, end);
    smaps.remove_prefix(std::min(end + 1, smaps.size()));
    if (line.starts_with(kFlags) && !regions.empty()) {
      line.remove_prefix(kFlags.size());
      for (std::string_view flag = next_word(line); !flag.empty(); flag = next_word(line)) {
        for (const auto& [letters, advice] : kAdvice) {
          if (flag == letters) regions.back().advice.push_back(advice);
        }
      }
    } else if (!line.empty() && (line[0] < 'A' || line[0] > 'Z')) {  // "Rss: …" is of the region before
      auto region = parse_head(line);
      if (!region) return strange();
      regions.push_back(*std::move(region));
    }
  }
  std::erase_if(regions, [](const MemoryRegion& region) { return region.name == "[vsyscall]"; });
  return regions;
}

Result<std::vector<MemoryRegion>> regions_of(pid_t pid) {
  const auto smaps = read_file(AT_FDCWD, fmt::format("/proc/{}/smaps", pid), kSmapsBytes);
  if (!smaps) return smaps.error();
  return parse_regions(*smaps);
}

Result<std::vector<bool>> own_pages(pid_t pid, const MemoryRegion& region) {
  constexpr std::uint64_t kPresent = 1ULL << 63;
  constexpr std::uint64_t kSwapped = 1ULL << 62;
  constexpr std::uint64_t kOfFile = 1ULL << 61;
  const auto map = open_at(AT_FDCWD, fmt::format("/proc/{}/pagemap", pid), O_RDONLY);
  if (!map) return map.error();
  std::vector<std::uint64_t> entries(region.size() / kProcessPageBytes);
  auto read = pread_exact(map->get(), std::as_writable_bytes(std::span(entries)),
                          region.begin / kProcessPageBytes * sizeof(std::uint64_t));
  if (!read) return read.error();
  std::vector<bool> own(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i)
    own[i] = (entries[i] & (kPresent | kSwapped)) != 0 && (entries[i] & kOfFile) == 0;
  return own;
}

std::vector<PageRun> runs_of(const std::vector<bool>& pages, std::uint64_t gap) {
  std::vector<PageRun> runs;
  for (std::uint64_t page = 0; page < pages.size(); ++page) {
    if (!pages[page]) continue;
    if (!runs.empty() && page - (runs.back().first + runs.back().count) < gap) {
      runs.back().count = page + 1 - runs.back().first;
    } else {
      runs.push_back({page, 1});
    }
  }
  return runs;
}

}  // namespace tl::machine
