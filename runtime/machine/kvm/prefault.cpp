// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/prefault.hpp"

#include <algorithm>
#include <cstdint>

namespace tl::machine::kvm {
namespace {

constexpr std::uint64_t kPageBytes = 4096;  // of a RamRange

}  // namespace

void prefault(Vcpu& vcpu, const GuestMemory& memory, std::span<const RamRange> ranges) {
  for (const GuestMemory::Region& region : memory.regions()) {
    const auto begin = static_cast<std::uint64_t>(region.host - memory.ram().data());
    for (const RamRange& range : ranges) {
      const std::uint64_t from = std::max(begin, range.first_page * kPageBytes);
      const std::uint64_t to = std::min(begin + region.bytes, (range.first_page + range.pages) * kPageBytes);
      if (from < to && !vcpu.prefault(region.start + (from - begin), to - from)) return;
    }
  }
}

}  // namespace tl::machine::kvm
