// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/local/stream_protocol.hpp>
#include <nlohmann/json.hpp>

#include "common/async_event.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::machine {

// One QMP connection to a QEMU. QEMU is trusted less than ourselves: a message is at most kMessageBytes long,
// what is not QMP ends the connection with an error, and no answer is waited for longer than its timeout.
//
// One thread. Owned by a shared pointer, which run() and execute() keep for as long as they run; close()
// makes them return.
class QmpClient : public std::enable_shared_from_this<QmpClient> {
 public:
  static constexpr std::size_t kMessageBytes = 256 << 10;
  static constexpr std::chrono::milliseconds kTimeout = std::chrono::seconds(30);

  // Called for each event with its name and data (an object, maybe empty), from run().
  using EventHandler = std::function<void(const std::string& name, const nlohmann::json& data)>;

  // `socket` is a connected AF_UNIX stream. `negotiated`: the version of a QEMU that has negotiated already,
  // with somebody else.
  static Result<std::shared_ptr<QmpClient>> create(const asio::any_io_executor& executor, UniqueFd socket,
                                                   EventHandler on_event,
                                                   std::optional<std::string> negotiated = std::nullopt);

  // Negotiates and reads until the connection ends. Success when the other side closed it or close() was
  // called. Once.
  static asio::awaitable<Result<void>> run(std::shared_ptr<QmpClient> self);

  // Sends a command, after the negotiation, and returns its "return" member. Any number at a time.
  // `descriptor`: goes along, for the command "getfd", which gives it a name; at most one at a time.
  static asio::awaitable<Result<nlohmann::json>> execute(std::shared_ptr<QmpClient> self, std::string command,
                                                         nlohmann::json arguments = nlohmann::json::object(),
                                                         std::chrono::milliseconds timeout = kTimeout,
                                                         UniqueFd descriptor = UniqueFd());

  // "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)" as `--version` has it; empty before the greeting, and when that
  // does not tell.
  [[nodiscard]] const std::string& qemu_version() const { return qemu_version_; }

  void close();

 private:
  using Socket = asio::local::stream_protocol::socket;
  enum class Phase { kGreeting, kNegotiating, kReady, kClosed };

  QmpClient(const asio::any_io_executor& executor, Socket socket, EventHandler on_event);
  static asio::awaitable<void> write_all(std::shared_ptr<QmpClient> self);
  Result<void> take_message(std::string_view line);
  void take_reply(const nlohmann::json& message);
  struct Outgoing {
    std::string text;
    UniqueFd descriptor;  // optional; travels with the first bytes
  };
  // Sends what is to go with a descriptor as far as it goes, and cuts that off.
  static asio::awaitable<asio::error_code> pass_descriptor(std::shared_ptr<QmpClient> self,
                                                           std::shared_ptr<Outgoing> message);
  void send(const nlohmann::json& message, UniqueFd descriptor = UniqueFd());
  void end(Error why);

  Socket socket_;
  EventHandler on_event_;
  Phase phase_ = Phase::kGreeting;
  Error failure_;       // what execute() returns once closed
  AsyncEvent changed_;  // phase_ and replies_
  AsyncEvent queued_;   // outgoing_
  std::deque<Outgoing> outgoing_;
  std::string qemu_version_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::optional<Result<nlohmann::json>>>
      replies_;  // of the commands that somebody waits for
};

}  // namespace tl::machine
