// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tl::machine {

// How fast this host's time stamp counter counts, which is also what a guest under software emulation reads.
// Compared with the host kernel's clock between construction and the question.
class TscRate {
 public:
  // Below this the answer errs by more than some ten parts a million.
  static constexpr std::chrono::milliseconds kLeast{4};

  TscRate();

  // How long to wait until the question makes sense.
  [[nodiscard]] std::chrono::nanoseconds missing() const;
  // nullopt when the counter of this host is not one that counts evenly, or when it is too early.
  [[nodiscard]] std::optional<std::uint32_t> khz() const;

 private:
  struct Sample {
    std::uint64_t ticks = 0;
    std::uint64_t ns = 0;
  };
  static Sample sample();
  Sample first_;
};

}  // namespace tl::machine
