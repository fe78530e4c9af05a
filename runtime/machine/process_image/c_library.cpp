// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/process_image/c_library.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace tl::machine {
namespace {

// Memory in which variables are: a file's, or what follows it for those that begin as zeros.
bool has_variables(const MemoryRegion& region, const MemoryRegion* before) {
  constexpr int kWritable = PROT_READ | PROT_WRITE;
  if (region.shared || (region.protection & kWritable) != kWritable) return false;
  if (region.has_file()) return true;
  return region.name.empty() && before != nullptr && before->has_file() && before->end == region.begin;
}

}  // namespace

Error cannot_have(std::string_view what) {
  return Error{ErrorCode::kFailure, fmt::format("an image cannot have {}", what), ""};
}

Result<std::uint64_t> find_thread_number(const StoppedProcess& process) {
  constexpr std::size_t kWords = 512;
  std::vector<bool> fits(kWords, true);
  for (const auto& thread : process.threads()) {
    std::array<std::int32_t, kWords> words{};
    auto read = process.read(thread.registers.fs_base, std::as_writable_bytes(std::span(words)));
    if (!read) return read.error();
    for (std::size_t i = 0; i < kWords; ++i) fits[i] = fits[i] && words[i] == thread.id;
  }
  if (std::count(fits.begin(), fits.end(), true) != 1) return cannot_have("threads of this C library");
  const auto word = std::find(fits.begin(), fits.end(), true) - fits.begin();
  return static_cast<std::uint64_t>(word) * sizeof(std::int32_t);
}

Result<std::vector<std::uint64_t>> find_heap_ends(const StoppedProcess& process,
                                                  std::span<const MemoryRegion> regions) {
  std::vector<std::uint64_t> places;
  const MemoryRegion* before = nullptr;
  for (const MemoryRegion& region : regions) {
    if (has_variables(region, before)) {
      std::vector<std::uint64_t> words(region.size() / sizeof(std::uint64_t));
      auto read = process.read(region.begin, std::as_writable_bytes(std::span(words)));
      if (!read) return read.error();
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == process.heap_end()) places.push_back(region.begin + i * sizeof(std::uint64_t));
      }
    }
    before = &region;
  }
  const bool has_heap = std::any_of(regions.begin(), regions.end(),
                                    [](const MemoryRegion& region) { return region.name == "[heap]"; });
  if (has_heap && places.empty()) return cannot_have("the heap of this C library");
  return places;
}

}  // namespace tl::machine
