// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/tsc_rate.hpp"

#include <cpuid.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tl::machine {
namespace {

bool counts_evenly() {
  constexpr unsigned kAdvancedPower = 0x80000007;
  constexpr unsigned kInvariantTsc = 1U << 8;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(kAdvancedPower, &eax, &ebx, &ecx, &edx) != 0 && (edx & kInvariantTsc) != 0;
}

// Not steered by NTP, as the counter is not.
std::uint64_t raw_ns() {
  timespec time = {};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

TscRate::Sample TscRate::sample() {
  // Of some readings the one that was disturbed least.
  constexpr int kReadings = 8;
  Sample best;
  std::uint64_t width = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < kReadings; ++i) {
    const std::uint64_t before = __rdtsc();
    const std::uint64_t ns = raw_ns();
    const std::uint64_t after = __rdtsc();
    if (after - before >= width) continue;
    width = after - before;
    best = Sample{before + width / 2, ns};
  }
  return best;
}

TscRate::TscRate() : first_(sample()) {}

std::chrono::nanoseconds TscRate::missing() const {
  const std::chrono::nanoseconds passed(raw_ns() - first_.ns);
  return std::max<std::chrono::nanoseconds>(std::chrono::nanoseconds::zero(), kLeast - passed);
}

std::optional<std::uint32_t> TscRate::khz() const {
  if (!counts_evenly()) return std::nullopt;
  const Sample now = sample();
  if (std::chrono::nanoseconds(now.ns - first_.ns) < kLeast || now.ticks <= first_.ticks) return std::nullopt;
  const double khz =
      static_cast<double>(now.ticks - first_.ticks) * 1e6 / static_cast<double>(now.ns - first_.ns);
  if (khz < 100'000 || khz > 100'000'000) return std::nullopt;
  return static_cast<std::uint32_t>(std::lround(khz));
}

}  // namespace tl::machine
