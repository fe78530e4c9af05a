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

struct Mapping {
  std::span<std::byte> whole;
  std::span<std::byte> ram;
};

// At a multiple of kHugePage, as the guest sees it: only then can the host use huge pages, and a processor's
// nested tables with them, without which a guest's start is thousands of page faults more.
Result<Mapping> map(std::uint64_t bytes) {
  // Not reserved: the host may promise more memory than it has, as it does to every process.
  void* const mapped = ::mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    const Error error = errno_error("map the guest's memory");
    return Error{ErrorCode::kHostLacks, error.message, "a sandbox with less --memory may fit"};
  }
  auto* const start = static_cast<std::byte*>(mapped);
  const std::uint64_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  const std::span ram(start + before, bytes);
  for (const int advice : {MADV_DONTDUMP, MADV_HUGEPAGE, MADV_DONTFORK})
    ::madvise(ram.data(), ram.size(), advice);
  return Mapping{{start, bytes + kHugePage}, ram};
}

}  // namespace

Result<GuestMemory> GuestMemory::create(std::uint64_t bytes) {
  TL_CHECK(bytes > 0 && bytes % kPage == 0);
  const auto mapping = map(bytes);
  if (!mapping) return mapping.error();
  return GuestMemory(mapping->whole, mapping->ram);
}

GuestMemory::GuestMemory(std::span<std::byte> mapping, std::span<std::byte> ram)
    : mapping_(mapping), ram_(ram) {
  const std::uint64_t low = std::min(ram.size(), kHoleStart);
  regions_.push_back({GuestAddr{0}, low, ram.data()});
  if (low < ram.size()) regions_.push_back({GuestAddr{kHoleEnd}, ram.size() - low, ram.data() + low});
}

GuestMemory::GuestMemory(GuestMemory&& other) noexcept
    : mapping_(std::exchange(other.mapping_, {})),
      ram_(std::exchange(other.ram_, {})),
      regions_(std::exchange(other.regions_, {})) {}

GuestMemory::~GuestMemory() {
  if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
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

Result<void> GuestMemory::give_to_children(bool given) const {
  if (::madvise(ram_.data(), ram_.size(), given ? MADV_DOFORK : MADV_DONTFORK) == 0) return {};
  return errno_error("the guest's memory in child processes");
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
