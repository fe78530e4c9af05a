// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/cpuid.hpp"

#include <optional>

#include "tests/support/catch.hpp"

using namespace tl::machine::kvm;

namespace {

// What a KVM of some age and either maker says it supports, as far as it matters here.
CpuidTable supported() {
  CpuidTable table = {};
  const auto add = [&](kvm_cpuid_entry2 entry) { table.entry[table.head.entries++] = entry; };
  add({0, 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65, {}});
  add({1, 0, 0, 0x800f12, 0x05000800, 0x7ed8320b | 1U << 5, 0x078bfbff, {}});
  for (std::uint32_t i = 0; i < 4; ++i) {
    const std::uint32_t level = i < 2 ? 1 : i;
    add({4, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, (0x1c000121 & ~(7U << 5)) | level << 5, 0, 0, 0, {}});
  }
  add({4, 4, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 0, 0, 0, 0, {}});
  add({0xa, 0, 0, 0x07300802, 0, 0, 0x603, {}});
  add({0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 1, 2, 0x100, 77, {}});
  add({0xb, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 4, 16, 0x201, 77, {}});
  add({0x40000000, 0, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d, {}});
  add({0x80000001, 0, 0, 0, 0, 0x004003f3 | 1U << 2 | 1U << 23, 0x2fd3fbff, {}});
  add({0x80000008, 0, 0, 0x3030, 0, 0x700f, 0, {}});
  add({0x8000000a, 0, 0, 1, 16, 0, 0xff, {}});
  add({0x8000001e, 0, 0, 99, 0x0107, 0x300, 0, {}});
  return table;
}

std::optional<kvm_cpuid_entry2> find(const CpuidTable& table, std::uint32_t leaf, std::uint32_t index = 0) {
  for (std::uint32_t i = 0; i < table.head.entries; ++i) {
    if (table.entry[i].function == leaf && table.entry[i].index == index) return table.entry[i];
  }
  return std::nullopt;
}

CpuidTable prepared(CpuPlace place, bool deadline = true) {
  CpuidTable table = supported();
  prepare_cpuid(table, place, deadline);
  return table;
}

}  // namespace

TEST_CASE("every vCPU has its own local APIC number in each leaf that tells one") {
  for (const unsigned count : {1U, 2U, 3U, 64U}) {
    for (unsigned index = 0; index < count; ++index) {
      const CpuidTable table = prepared({index, count});
      CHECK(find(table, 1)->ebx >> 24 == index);
      CHECK(find(table, 0xb, 0)->edx == index);
      CHECK(find(table, 0xb, 1)->edx == index);
      CHECK(find(table, 0x8000001e)->eax == index);
    }
  }
}

TEST_CASE("all vCPUs are cores of one package with one thread each") {
  const CpuidTable table = prepared({2, 6});
  CHECK((find(table, 1)->ebx >> 16 & 0xff) == 8);  // room for
  CHECK((find(table, 0xb, 0)->ebx & 0xffff) == 1);
  CHECK((find(table, 0xb, 0)->eax & 0x1f) == 0);
  CHECK((find(table, 0xb, 1)->ebx & 0xffff) == 6);
  CHECK((find(table, 0xb, 1)->eax & 0x1f) == 3);
  CHECK((find(table, 0xb, 1)->ecx >> 8 & 0xff) == 2);
  CHECK((find(table, 0xb, 2)->ecx >> 8 & 0xff) == 0);
  CHECK((find(table, 0x80000008)->ecx & 0xff) == 5);
  CHECK((find(table, 0x80000008)->ecx >> 12 & 0xf) == 3);
  CHECK((find(table, 4, 0)->eax >> 26) == 7);
  CHECK((find(table, 4, 0)->eax >> 14 & 0xfff) == 0);  // a core's own
  CHECK((find(table, 4, 3)->eax >> 14 & 0xfff) == 7);  // everybody's
}

TEST_CASE("a machine with one vCPU says nothing of several") {
  const CpuidTable table = prepared({0, 1});
  CHECK((find(table, 1)->ebx >> 16 & 0xff) == 1);
  CHECK((find(table, 0x80000008)->ecx & 0xff) == 0);
  CHECK(find(table, 0xb, 1)->ebx == 1);
}

TEST_CASE("a sandbox is a hypervisor's guest and has no business with nesting and counters") {
  const CpuidTable table = prepared({0, 2});
  CHECK((find(table, 1)->ecx & 1U << 31) != 0);
  CHECK((find(table, 1)->ecx & 1U << 5) == 0);           // VMX
  CHECK((find(table, 0x80000001)->ecx & 1U << 2) == 0);  // SVM
  CHECK(find(table, 0x8000000a)->ebx == 0);
  CHECK(find(table, 0xa)->eax == 0);
  CHECK((find(table, 0x80000001)->ecx & 1U << 23) == 0);
  CHECK(find(table, 0x40000000)->ebx == 0x4b4d564b);  // KVM's own leaves are kept
}

TEST_CASE("the TSC deadline timer is there if and only if KVM has it") {
  CHECK((find(prepared({0, 1}, true), 1)->ecx & 1U << 24) != 0);
  CHECK((find(prepared({0, 1}, false), 1)->ecx & 1U << 24) == 0);
}
