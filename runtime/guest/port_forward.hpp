// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>

#include "common/http2/stream.hpp"
#include "common/result.hpp"

namespace tl::guest {

// A port of this machine's loopback (127.0.0.1), each of whose connections goes on to a port in a guest: to
// whoever listens on the guest's own loopback. One io_context thread.
class PortForward {
 public:
  // Opens a request at the agent, by whatever session leads there.
  using OpenStream = std::function<Result<std::shared_ptr<http2::Stream>>(const std::string& path)>;
  // Told why a connection could not be made, in the guest's words, printable.
  using Refused = std::function<void(const std::string& why)>;
  struct Ports {
    std::uint16_t local = 0;  // 0: one that is free
    std::uint16_t remote = 0;
  };

  // Listens from now on. kConflict when the local port is taken, kHostLacks when it is not ours to take.
  static Result<std::unique_ptr<PortForward>> listen(const asio::any_io_executor& executor, Ports ports,
                                                     OpenStream open, Refused refused);
  // Takes no more connections; those that are there go on until their streams end.
  ~PortForward();
  PortForward(const PortForward&) = delete;
  PortForward& operator=(const PortForward&) = delete;

  [[nodiscard]] Ports ports() const;

 private:
  struct State;
  explicit PortForward(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace tl::guest
