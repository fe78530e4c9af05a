// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/cpu_fingerprint.hpp"

#include <set>
#include <string>

#include "tests/support/catch.hpp"

using namespace tl::machine::kvm;

namespace {

constexpr std::uint32_t kFeatures = 0x7ed8320b;

// What KVM says on one core of a processor.
CpuidTable on_core(std::uint32_t core) {
  CpuidTable table = {};
  const auto add = [&](kvm_cpuid_entry2 entry) { table.entry[table.head.entries++] = entry; };
  add({0, 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65, {}});
  add({1, 0, 0, 0x00a20f11, core << 24 | 0x000800, kFeatures, 0x078bfbff, {}});
  add({0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 1, 2, 0x100, core, {}});
  add({0xb, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 4, 16, 0x201, core, {}});
  add({0xd, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 7, 0x340, 0x340, 0, {}});
  add({0x1f, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 1, 2, 0x100, core, {}});
  add({0x80000001, 0, 0, 0, 0, 0x004003f3, 0x2fd3fbff, {}});
  add({0x8000001e, 0, 0, core, core | 0x100, core / 8, 0, {}});
  add({0x80000026, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, 1, 2, 0x100, core, {}});
  return table;
}

}  // namespace

TEST_CASE("a processor has the same fingerprint on every core") {
  const std::string first = cpu_fingerprint(on_core(0));
  CHECK(first.starts_with("AuthenticAMD 25.33.1 "));
  CHECK(first.size() == std::string("AuthenticAMD 25.33.1 00000000").size());
  for (const std::uint32_t core : {1U, 2U, 8U, 255U}) CHECK(cpu_fingerprint(on_core(core)) == first);
}

TEST_CASE("a processor that differs in any feature has another fingerprint") {
  std::set<std::string> seen{cpu_fingerprint(on_core(0))};
  for (std::uint32_t bit = 0; bit < 32; ++bit) {
    CpuidTable table = on_core(0);
    table.entry[1].ecx ^= 1U << bit;
    CHECK(seen.insert(cpu_fingerprint(table)).second);
    table = on_core(0);
    table.entry[6].edx ^= 1U << bit;
    CHECK(seen.insert(cpu_fingerprint(table)).second);
  }
  CpuidTable more = on_core(0);
  more.entry[more.head.entries++] = {0x80000008, 0, 0, 0x3030, 0, 0, 0, {}};
  CHECK(seen.insert(cpu_fingerprint(more)).second);
  CpuidTable less = on_core(0);
  less.entry[4] = {};
  CHECK(seen.insert(cpu_fingerprint(less)).second);
}

TEST_CASE("family, model and stepping are calculated as the manuals do") {
  CpuidTable table = on_core(0);
  table.entry[1].eax = 0x000306c3;  // Intel's: the extended family counts for family 15 only
  CHECK(cpu_fingerprint(table).starts_with("AuthenticAMD 6.60.3 "));
  table.entry[1].eax = 0x00800f12;
  CHECK(cpu_fingerprint(table).starts_with("AuthenticAMD 23.1.2 "));
}

TEST_CASE("a table that says nothing has a fingerprint too") {
  CHECK(cpu_fingerprint(CpuidTable{}) == "unknown 0.0.0 00000000");
}
