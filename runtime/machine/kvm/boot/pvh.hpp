// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

// What a kernel that is entered by PVH is told (Xen, public/arch-x86/hvm/start_info.h), version 1.
namespace tl::machine::kvm {

struct PvhStartInfo {
  std::uint32_t magic = 0x336ec578;
  std::uint32_t version = 1;
  std::uint32_t flags = 0;
  std::uint32_t modules = 0;
  std::uint64_t module_list = 0;
  std::uint64_t command_line = 0;
  std::uint64_t rsdp = 0;  // no ACPI
  std::uint64_t memory_map = 0;
  std::uint32_t memory_entries = 0;
  std::uint32_t reserved = 0;
};

struct PvhModule {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  std::uint64_t command_line = 0;
  std::uint64_t reserved = 0;
};

struct PvhMemory {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  std::uint32_t type = 0;
  std::uint32_t reserved = 0;
};

struct PvhTables {
  PvhStartInfo info;
  PvhModule module;
  std::array<PvhMemory, 4> memory;
};
static_assert(sizeof(PvhStartInfo) == 56 && sizeof(PvhModule) == 32 && sizeof(PvhMemory) == 24);

}  // namespace tl::machine::kvm
