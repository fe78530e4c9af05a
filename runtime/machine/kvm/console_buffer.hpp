// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace tl::machine::kvm {

// What the guest's serial console has sent and the control thread has not read yet. Bounded: what does not
// fit is lost and counted, because a guest must not stop for its console, and the host not swell for it.
class ConsoleBuffer {
 public:
  static constexpr std::size_t kMostBytes = 64 << 10;

  // `wake` is called on the writing thread when the first byte comes after a take().
  explicit ConsoleBuffer(std::function<void()> wake) : wake_(std::move(wake)) {}

  void put(char byte);  // vCPU threads
  // All there is; control thread.
  [[nodiscard]] std::string take();
  [[nodiscard]] std::uint64_t lost() const;

 private:
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::string bytes_;
  std::uint64_t lost_ = 0;
};

}  // namespace tl::machine::kvm
