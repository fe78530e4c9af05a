// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/network/network_child.hpp"
#include "runtime/network/rules.hpp"

namespace tl::network {

// A sandbox's network: the network process (process.hpp) behind one end of a guest's wire. A process that
// breaks is replaced after a second, with the rules of then; the guest's connections break with it. The
// executor's thread, which lives as long as the gateway: the process dies with it. Destroying the gateway
// ends the process.
class Gateway {
 public:
  // What takes time and needs to know nothing yet: the process, which has no rules, and the wire, a socket
  // that keeps messages apart, each an Ethernet frame. To be called by the executor's thread.
  struct Beginning {
    UniqueFd wire;  // the guest's end
    UniqueFd cable;
    std::string label;
    NetworkChild child;
  };
  // `label` is for people who list processes.
  static Result<Beginning> begin(std::string label);
  // `log` outlives the gateway.
  static Result<std::unique_ptr<Gateway>> start(const asio::any_io_executor& executor, Beginning begun,
                                                Rules rules, const Log& log);
  ~Gateway();

  // Until the first rules hold. kHostLacks when the process cannot run here.
  asio::awaitable<Result<void>> wait_ready();
  // Replaces the rules; they hold when it returns without an error. After kOutOfRange the old ones do.
  asio::awaitable<Result<void>> apply(Rules rules);

 private:
  struct State;
  explicit Gateway(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tl::network
