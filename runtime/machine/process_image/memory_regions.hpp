// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::machine {

constexpr std::uint64_t kProcessPageBytes = 4096;

// A part of a process's address space, as /proc/<pid>/smaps has it. Addresses are multiples of a page.
struct MemoryRegion {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  int protection = 0;  // PROT_*
  bool shared = false;
  std::uint64_t offset = 0;  // bytes, in the file
  std::uint64_t device = 0;  // of the file, as makedev(3) makes it; 0, 0: there is none
  std::uint64_t inode = 0;
  std::string name;         // a path, "[heap]", or nothing
  std::vector<int> advice;  // MADV_*, what holds for it

  [[nodiscard]] std::uint64_t size() const { return end - begin; }
  [[nodiscard]] bool has_file() const { return inode != 0; }
  // There is still a file of that name.
  [[nodiscard]] bool can_be_opened() const { return name.starts_with("/") && !name.ends_with(" (deleted)"); }
  [[nodiscard]] bool is_vdso() const { return name == "[vdso]"; }
  // The kernel's own, for its vDSO: as long as this kernel's are, and in the same order.
  [[nodiscard]] bool is_kernels() const { return is_vdso() || name.starts_with("[vvar"); }
};

// What smaps says, from low addresses to high, without the vsyscall page. kFailure for what is no such text.
Result<std::vector<MemoryRegion>> parse_regions(std::string_view smaps);
Result<std::vector<MemoryRegion>> regions_of(pid_t pid);

// The pages of a region that are the process's own: none of a file's that was never written to, none that was
// never touched. One entry for each page, in order.
Result<std::vector<bool>> own_pages(pid_t pid, const MemoryRegion& region);

// A run of pages, from `first` on.
struct PageRun {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
// Runs that have all the pages that are set, joined where less than `gap` others are between them.
std::vector<PageRun> runs_of(const std::vector<bool>& pages, std::uint64_t gap);

}  // namespace tl::machine
