// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/cpuid.hpp"

#include <algorithm>
#include <bit>

#include "common/check.hpp"

namespace tl::machine::kvm {
namespace {

constexpr std::uint32_t kFeatures = 1;
constexpr std::uint32_t kCaches = 4;
constexpr std::uint32_t kPerformance = 0xa;
constexpr std::uint32_t kTopology = 0xb;
constexpr std::uint32_t kTopology2 = 0x1f;
constexpr std::uint32_t kExtendedFeatures = 0x80000001;
constexpr std::uint32_t kSizes = 0x80000008;
constexpr std::uint32_t kAmdCaches = 0x8000001d;
constexpr std::uint32_t kAmdTopology = 0x8000001e;
constexpr std::uint32_t kAmdPerformance = 0x80000022;
constexpr std::uint32_t kSvm = 0x8000000a;

// Leaf 1.
constexpr std::uint32_t kVmx = 1U << 5;                 // ecx
constexpr std::uint32_t kPdcm = 1U << 15;               // ecx
constexpr std::uint32_t kX2Apic = 1U << 21;             // ecx
constexpr std::uint32_t kTscDeadline = 1U << 24;        // ecx
constexpr std::uint32_t kHypervisor = 1U << 31;         // ecx
constexpr std::uint32_t kSeveralProcessors = 1U << 28;  // edx
// Leaf 0x80000001, ecx.
constexpr std::uint32_t kCmpLegacy = 1U << 1;
constexpr std::uint32_t kSvmFeature = 1U << 2;
constexpr std::uint32_t kAmdCounters = 1U << 23 | 1U << 24 | 1U << 28;

constexpr std::uint32_t kLevelThread = 1U << 8;
constexpr std::uint32_t kLevelCore = 2U << 8;
constexpr std::uint32_t kThirdLevel = 3;

void set_bits(std::uint32_t& value, unsigned from, unsigned width, std::uint32_t to) {
  const std::uint32_t mask = ((1U << width) - 1) << from;
  value = (value & ~mask) | ((to << from) & mask);
}

// How many bits number `count` processors.
unsigned bits_for(unsigned count) {
  return static_cast<unsigned>(std::bit_width(count - 1));
}

void zero(kvm_cpuid_entry2& entry) {
  entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
}

void prepare_features(kvm_cpuid_entry2& entry, const CpuPlace& place, bool tsc_deadline) {
  set_bits(entry.ebx, 16, 8, std::bit_ceil(place.count));
  set_bits(entry.ebx, 24, 8, place.index);
  entry.ecx = (entry.ecx & ~(kVmx | kPdcm | kTscDeadline)) | kHypervisor | kX2Apic;
  if (tsc_deadline) entry.ecx |= kTscDeadline;
  if (place.count > 1) entry.edx |= kSeveralProcessors;
}

// The third level is everybody's, the others are each core's.
void share_caches(kvm_cpuid_entry2& entry, const CpuPlace& place) {
  if ((entry.eax & 0x1f) == 0) return;  // the end of the list
  const bool shared = (entry.eax >> 5 & 0x7) >= kThirdLevel;
  set_bits(entry.eax, 14, 12, shared ? std::bit_ceil(place.count) - 1 : 0);
  if (entry.function == kCaches) set_bits(entry.eax, 26, 6, std::bit_ceil(place.count) - 1);
}

void prepare(kvm_cpuid_entry2& entry, const CpuPlace& place, bool tsc_deadline) {
  switch (entry.function) {
    case 0:
      entry.eax = std::max(entry.eax, kTopology);
      break;
    case kFeatures:
      return prepare_features(entry, place, tsc_deadline);
    case kCaches:
    case kAmdCaches:
      return share_caches(entry, place);
    case kPerformance:
    case kAmdPerformance:
    case kSvm:
      return zero(entry);
    case kExtendedFeatures:
      entry.ecx &= ~(kSvmFeature | kAmdCounters);
      if (place.count > 1) entry.ecx |= kCmpLegacy;
      break;
    case kSizes:
      set_bits(entry.ecx, 0, 8, place.count - 1);
      set_bits(entry.ecx, 12, 4, bits_for(place.count));
      break;
    case kAmdTopology:
      zero(entry);
      entry.eax = place.index;
      entry.ebx = place.index;  // its own core, one thread
      break;
    default:
      break;
  }
}

// The x2APIC number's bits: none for the thread in a core, the rest for the core in the package.
void add_topology(CpuidTable& table, const CpuPlace& place) {
  const kvm_cpuid_entry2 levels[] = {
      {kTopology, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0, 1, kLevelThread, place.index, {}},
      {kTopology,
       1,
       KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
       bits_for(place.count),
       place.count,
       1 | kLevelCore,
       place.index,
       {}},
      {kTopology, 2, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0, 0, 2, place.index, {}},
  };
  for (const kvm_cpuid_entry2& level : levels) {
    TL_CHECK(table.head.entries < CpuidTable::kEntries);
    table.entry[table.head.entries++] = level;
  }
}

}  // namespace

void prepare_cpuid(CpuidTable& table, const CpuPlace& place, bool tsc_deadline) {
  TL_CHECK(place.index < place.count);
  auto* const begin = table.entry;
  auto* const end = begin + std::min(table.head.entries, CpuidTable::kEntries);
  auto* const kept = std::remove_if(begin, end, [](const kvm_cpuid_entry2& entry) {
    return entry.function == kTopology || entry.function == kTopology2;
  });
  table.head.entries = static_cast<std::uint32_t>(kept - begin);
  for (auto* entry = begin; entry != kept; ++entry) prepare(*entry, place, tsc_deadline);
  add_topology(table, place);
}

}  // namespace tl::machine::kvm
