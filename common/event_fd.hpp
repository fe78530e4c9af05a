// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl {

// A counter in the kernel that wakes whoever waits for it (eventfd(2)): how a virtio queue's notification
// reaches the device (KVM_IOEVENTFD) and an interrupt the guest (KVM_IRQFD). Close-on-exec, non-blocking.
// Any thread.
class EventFd {
 public:
  static Result<EventFd> create();

  // Adds one. Never blocks: a counter that is full wakes its waiter all the same.
  void signal() const;
  // Takes the count and makes it 0; 0 when nobody signalled since.
  std::uint64_t take() const;

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace tl
