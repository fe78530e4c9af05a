// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/cpu_fingerprint.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include <fmt/format.h>

namespace tl::machine::kvm {
namespace {

// Whose entries name the core that asks (Intel SDM vol. 2, CPUID; AMD APM vol. 3, app. E).
constexpr std::array<std::uint32_t, 4> kOfOneCore{0xb, 0x1f, 0x8000001e, 0x80000026};

std::string vendor(const kvm_cpuid_entry2& leaf) {
  std::array<char, 12> text;
  std::memcpy(text.data(), &leaf.ebx, 4);
  std::memcpy(text.data() + 4, &leaf.edx, 4);
  std::memcpy(text.data() + 8, &leaf.ecx, 4);
  return std::string(text.data(), text.size());
}

// As the manuals calculate them.
std::string signature(std::uint32_t eax) {
  const std::uint32_t family = (eax >> 8 & 0xf) + ((eax >> 8 & 0xf) == 0xf ? eax >> 20 & 0xff : 0);
  const std::uint32_t model = (eax >> 4 & 0xf) | (eax >> 12 & 0xf0);
  return fmt::format("{}.{}.{}", family, model, eax & 0xf);
}

}  // namespace

std::string cpu_fingerprint(const CpuidTable& supported) {
  std::string name = "unknown";
  std::string version = "0.0.0";
  uLong sum = ::crc32(0, nullptr, 0);
  for (kvm_cpuid_entry2 entry : std::span(supported.entry).first(supported.head.entries)) {
    if (std::find(kOfOneCore.begin(), kOfOneCore.end(), entry.function) != kOfOneCore.end()) continue;
    if (entry.function == 0) name = vendor(entry);
    if (entry.function == 1) {
      version = signature(entry.eax);
      entry.ebx &= 0x00ffffff;  // the local APIC's number
    }
    sum = ::crc32(sum, reinterpret_cast<const Bytef*>(&entry), sizeof entry);
  }
  return fmt::format("{} {} {:08x}", name, version, sum);
}

}  // namespace tl::machine::kvm
