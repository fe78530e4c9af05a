// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include "common/http2/session.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/agent_link.hpp"
#include "runtime/guest/protocol/messages.hpp"

namespace tl::guest {

// The host's end of the agent link: makes the handshake, holds the HTTP/2 session, asks the short questions
// and opens streams for the long ones. PROTOCOL.md describes what goes over the link. The guest is not
// trusted: answers are bounded in size and time, and a broken one is an error and nothing worse.
//
// One io_context thread. Destroying the client ends the session and its streams; another client may then be
// made on another descriptor of the same link, for instance after a restore.
class AgentClient {
 public:
  // Takes a connected stream (a socket) and waits until the agent answers. kFailure when it does not in time,
  // or the other end is closed. Cancelled by closing the other end.
  static asio::awaitable<Result<std::unique_ptr<AgentClient>>> connect(UniqueFd link, HandshakeLimits limits);
  ~AgentClient();

  // Success: the guest is what it was told to be, and what was quiesced runs. kConflict while the root file
  // system is frozen.
  asio::awaitable<Result<void>> configure(Configuration configuration, std::chrono::milliseconds limit);
  asio::awaitable<Result<Metrics>> metrics(std::chrono::milliseconds limit);

  // Around a checkpoint of the root file system: everything is written back and nothing more is written until
  // thaw(), the end of `lease` (1 ms to kMaxFreezeLease) or the end of this session. kConflict when it is
  // frozen already. Thawing what is not frozen is a success.
  asio::awaitable<Result<void>> freeze(std::chrono::milliseconds lease, std::chrono::milliseconds limit);
  asio::awaitable<Result<void>> thaw(std::chrono::milliseconds limit);

  // What the guest has in memory of its root file system goes to its disk.
  asio::awaitable<Result<void>> write_back(std::chrono::milliseconds limit);

  // Around the saving of the machine: no user process runs from here to configure() or release(), which may
  // be another client's, in a guest that was restored, or the end of kQuiesceLease. Not while frozen
  // (kConflict). Doing either again is a success, and quiescing again renews the lease.
  asio::awaitable<Result<void>> quiesce(std::chrono::milliseconds limit);
  asio::awaitable<Result<void>> release(std::chrono::milliseconds limit);

  // A POST exchange for the caller to carry out; kExecPath as a rule.
  Result<std::shared_ptr<http2::Stream>> open_stream(const std::string& path);

  [[nodiscard]] bool lost() const;
  // Waits until the link is lost and says why. Any number of waiters; destroying the client wakes them too.
  asio::awaitable<Error> wait_lost();
  // Ends the session; wait_lost() returns.
  void close();
  // The same, but keeps the link, on which the agent then waits for another client, and gives it back when
  // the agent has taken its leave.
  asio::awaitable<Result<UniqueFd>> part(std::chrono::milliseconds limit);

 private:
  struct Life;
  AgentClient(std::shared_ptr<http2::Session> session, std::shared_ptr<Life> life);

  // One request with its whole answer. kConflict when the agent says that it is in the wrong state for it.
  static asio::awaitable<Result<std::vector<std::byte>>> exchange(std::shared_ptr<http2::Session> session,
                                                                  std::string path,
                                                                  std::vector<std::byte> body,
                                                                  std::chrono::milliseconds limit);

  std::shared_ptr<http2::Session> session_;
  std::shared_ptr<Life> life_;
};

}  // namespace tl::guest
