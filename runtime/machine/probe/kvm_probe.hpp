// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "runtime/machine/probe/verdict.hpp"

namespace tl::machine {

// What a run of the probe guest showed. Plain data, written by the probe's child process piece by piece, so
// that it is true up to the moment at which the child was ended.
struct ProbeRun {
  enum class Step : std::uint32_t {
    kSetup,  // making the VM
    kPopcnt,
    kCmpxchg16b,
    kXsave,
    kInt3,
    kPrivileged,  // control registers, flags, MSRs
    kLoop,        // running simple instructions in ring 0, timed
    kDone,
  };
  enum class Failure : std::uint32_t { kNone, kRefused, kExit };

  Step step = Step::kSetup;          // the one that it came to
  Failure failure = Failure::kNone;  // there
  std::int32_t error = 0;            // kRefused: errno
  std::uint32_t exit_reason = 0;     // kExit: KVM_EXIT_… that should not have been
  std::uint32_t suberror = 0;        // of KVM_EXIT_INTERNAL_ERROR
  std::uint64_t loop_ns = 0;         // CPU time of kLoop's kLoopInstructions, the best; 0: not finished
};
inline constexpr std::uint64_t kLoopInstructions = 131'074;

// The slowest processor that is taken for one: simple ring 0 instructions a second, as seen by somebody who
// also pays for entering the guest. Real ones do more than a hundred million, an emulated one on a busy host
// ten million, an interpreter in the kernel one or two.
inline constexpr std::uint64_t kLeastInstructionsPerSecond = 5'000'000;

// What a run means. Pure.
Verdict judge(const ProbeRun& run);

// Runs the guest on /dev/kvm in a child process, which gets 150 ms of CPU time and, on a real one,
// needs one or two.
Verdict probe_kvm(const std::string& device = "/dev/kvm");

}  // namespace tl::machine
