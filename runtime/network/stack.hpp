// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "runtime/network/packet.hpp"

namespace tl::network {

// The world behind a guest's wire (plan.hpp): a gateway that answers for everybody and speaks to them by
// sockets of this process, with the rights of its user. libslirp does it. What it keeps for a connection is
// bounded (256 KiB), and the number of connections by the descriptors that this process may have.
//
// Driven by one thread that polls: prepare(), poll(2), proceed().
class Stack {
 public:
  // `to_guest` takes each frame for the guest; it may drop it. Called by give() and proceed().
  using Deliver = std::function<void(Frame)>;
  static Result<std::unique_ptr<Stack>> create(Deliver to_guest);

  virtual ~Stack() = default;
  // A frame of the guest's.
  virtual void give(Frame frame) = 0;
  // Adds the descriptors that it waits for; returns how long to wait at most.
  virtual std::chrono::milliseconds prepare(std::vector<pollfd>& polled) = 0;
  // What poll() has found, the same descriptors at the same places as prepare() left them.
  virtual void proceed(std::span<const pollfd> polled) = 0;
};

}  // namespace tl::network
