// SPDX-License-Identifier: Apache-2.0
#include "common/guest_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/io.hpp"

namespace tl {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHugePage = 2 << 20;

// At a multiple of kHugePage, as the guest sees it: only then can the host use huge pages, and a processor's
// nested tables with them, which is half of the page faults of a guest's start.
Result<std::byte*> map(std::uint64_t bytes) {
  // Not reserved: the host may promise more memory than it has, as it does to every process.
  void* const mapped = ::mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    const Error error = errno_error("map the guest's memory");
    return Error{ErrorCode::kHostLacks, error.message, "a sandbox with less --memory may fit"};
  }
  auto* const start = static_cast<std::byte*>(mapped);
  const std::uint64_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  if (before != 0) ::munmap(start, before);
  ::munmap(start + before + bytes, kHugePage - before);
  ::madvise(start + before, bytes, MADV_DONTDUMP);
  ::madvise(start + before, bytes, MADV_HUGEPAGE);
  return start + before;
}

}  // namespace

Result<GuestMemory> GuestMemory::create(std::uint64_t bytes) {
  TL_CHECK(bytes > 0 && bytes % kPage == 0);
  const auto start = map(bytes);
  if (!start) return start.error();
  return GuestMemory({*start, bytes});
}

GuestMemory::GuestMemory(std::span<std::byte> ram) : ram_(ram) {
  const std::uint64_t low = std::min(ram.size(), kHoleStart);
  regions_.push_back({GuestAddr{0}, low, ram.data()});
  if (low < ram.size()) regions_.push_back({GuestAddr{kHoleEnd}, ram.size() - low, ram.data() + low});
}

GuestMemory::GuestMemory(GuestMemory&& other) noexcept
    : ram_(std::exchange(other.ram_, {})),
      regions_(std::exchange(other.regions_, {})),
      file_pages_(std::exchange(other.file_pages_, {})) {}

GuestMemory::~GuestMemory() {
  if (!ram_.empty()) ::munmap(ram_.data(), ram_.size());
}

std::optional<std::span<std::byte>> GuestMemory::at(GuestAddr start, std::uint64_t bytes) const {
  if (bytes == 0) return std::nullopt;
  for (const Region& region : regions_) {
    if (start < region.start) continue;
    const std::uint64_t offset = start.value - region.start.value;
    if (offset >= region.bytes || bytes > region.bytes - offset) continue;
    return std::span(region.host + offset, bytes);
  }
  return std::nullopt;
}

bool GuestMemory::read(GuestAddr from, std::span<std::byte> into) const {
  const auto there = at(from, into.size());
  if (there) std::memcpy(into.data(), there->data(), into.size());
  return there.has_value();
}

bool GuestMemory::write(GuestAddr to, std::span<const std::byte> from) const {
  const auto there = at(to, from.size());
  if (there) std::memcpy(there->data(), from.data(), from.size());
  return there.has_value();
}

// What a mapping costs in page faults later is less than copying, and all guests share the pages: more than
// half of the memory that a guest has touched when it has started is its kernel. Below kWorthMapping it is
// not worth a mapping.
Result<void> GuestMemory::load_file(GuestAddr start, const File& file, std::uint64_t offset,
                                    std::uint64_t bytes) {
  constexpr std::uint64_t kWorthMapping = 128 << 10;
  if (bytes == 0) return {};
  const auto there = at(start, bytes);
  if (!there || offset > file.bytes || bytes > file.bytes - offset)
    return Error{ErrorCode::kOutOfRange, "a file does not fit into the guest's memory, or is too short", ""};
  if (bytes < kWorthMapping || start.value % kPage != offset % kPage)
    return pread_exact(file.fd, *there, offset);

  const std::uint64_t head = (kPage - start.value % kPage) % kPage;
  const std::uint64_t whole = (bytes - head) & ~(kPage - 1);
  const auto pages = there->subspan(head, whole);
  const void* const mapped = ::mmap(pages.data(), pages.size(), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_FIXED, file.fd, static_cast<off_t>(offset + head));
  if (mapped == MAP_FAILED) return errno_error("map a file into the guest's memory");
  file_pages_.push_back(pages);
  if (auto read = pread_exact(file.fd, there->first(head), offset); !read) return read;
  return pread_exact(file.fd, there->subspan(head + whole), offset + head + whole);
}

bool GuestMemory::release(GuestAddr start, std::uint64_t bytes) const {
  const auto there = at(start, bytes);
  return there && release(*there);
}

bool GuestMemory::release(std::span<std::byte> range) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  if (begin % kPage != 0 || range.size() % kPage != 0) return false;
  return ::madvise(range.data(), range.size(), MADV_DONTNEED) == 0;
}

}  // namespace tl
