// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/ram_pages.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "common/io.hpp"

namespace tl::snapshot {
namespace {

// Documentation/admin-guide/mm/pagemap.rst. The frame numbers are hidden from ordinary users, these bits are
// not. A page of the page cache has the third; a private copy of one has not.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kOfFile = std::uint64_t{1} << 61;

constexpr std::uint64_t kEntriesAtOnce = 32768;
constexpr std::size_t kMaxMapsText = std::size_t{64} << 20;

std::uint64_t address_of(std::span<const std::byte> ram) {
  return reinterpret_cast<std::uintptr_t>(ram.data());
}

// The pages of `ram` that are mapped from nothing: an absent one of these is zero.
Result<PageSet> anonymous_pages(std::span<const std::byte> ram) {
  const auto text = read_file(AT_FDCWD, "/proc/self/maps", kMaxMapsText);
  if (!text) return text.error();
  const std::uint64_t start = address_of(ram);
  const std::uint64_t end = start + ram.size();
  PageSet pages(ram.size() / kPageBytes);
  for (std::size_t at = 0; at < text->size(); at = text->find('\n', at) + 1) {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t inode = 0;
    if (std::sscanf(text->c_str() + at, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64, &from, &to, &inode) !=
        3)
      return Error{ErrorCode::kFailure, "/proc/self/maps: a line is not understood", ""};
    from = std::max(from, start);
    to = std::min(to, end);
    if (inode == 0 && from < to) pages.add({(from - start) / kPageBytes, (to - from) / kPageBytes});
  }
  return pages;
}

// Calls `see` with the number of each page of `ram` and what the kernel says of it.
template <typename See>
Result<void> look_at_pages(std::span<const std::byte> ram, See see) {
  TL_CHECK(address_of(ram) % kPageBytes == 0 && ram.size() % kPageBytes == 0);
  const auto pagemap = open_at(AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
  if (!pagemap) return pagemap.error();
  const std::uint64_t pages = ram.size() / kPageBytes;
  const std::uint64_t first = address_of(ram) / kPageBytes;
  std::vector<std::uint64_t> entries(std::min(pages, kEntriesAtOnce));
  for (std::uint64_t done = 0; done < pages; done += entries.size()) {
    entries.resize(std::min<std::uint64_t>(entries.size(), pages - done));
    if (auto got = pread_exact(pagemap->get(), std::as_writable_bytes(std::span(entries)),
                               (first + done) * sizeof(std::uint64_t));
        !got)
      return got.error().within("/proc/self/pagemap");
    for (std::uint64_t i = 0; i < entries.size(); ++i) see(done + i, entries[i]);
  }
  return {};
}

}  // namespace

Result<RamPages> dirty_pages(std::span<const std::byte> ram) {
  auto zero = anonymous_pages(ram);
  if (!zero) return zero.error();
  RamPages found{PageSet(ram.size() / kPageBytes), *std::move(zero)};
  const auto looked = look_at_pages(ram, [&](std::uint64_t page, std::uint64_t entry) {
    if ((entry & (kPresent | kSwapped)) == 0) return;
    if ((entry & kOfFile) == 0) found.written.add(page);
    found.zero.remove(page);
  });
  if (!looked) return looked.error();
  return found;
}

Result<PageSet> present_pages(std::span<const std::byte> ram) {
  PageSet found(ram.size() / kPageBytes);
  const auto looked = look_at_pages(ram, [&](std::uint64_t page, std::uint64_t entry) {
    if ((entry & kPresent) != 0) found.add(page);
  });
  if (!looked) return looked.error();
  return found;
}

Result<RamPages> allocated_pages(int memfd, std::uint64_t ram_bytes) {
  const std::uint64_t pages = ram_bytes / kPageBytes;
  RamPages found{PageSet(pages), PageSet(pages)};
  found.zero.add({0, pages});
  std::uint64_t at = 0;
  while (at < ram_bytes) {
    const off_t data = ::lseek(memfd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // nothing but a hole up to the end
    const off_t hole = data < 0 ? -1 : ::lseek(memfd, data, SEEK_HOLE);
    if (hole < 0) return errno_error("look for the pages of the guest's memory");
    const std::uint64_t first = static_cast<std::uint64_t>(data) / kPageBytes;
    at = std::min(static_cast<std::uint64_t>(hole), ram_bytes);
    if (first >= pages) break;
    const PageRun run{first, (at + kPageBytes - 1) / kPageBytes - first};
    found.written.add(run);
    found.zero.remove(run);
  }
  return found;
}

}  // namespace tl::snapshot
