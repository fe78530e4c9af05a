// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/gateway.hpp"

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "common/async_event.hpp"
#include "runtime/network/process.hpp"

namespace tl::network {
namespace {

using namespace std::chrono_literals;

constexpr auto kPause = 1s;
constexpr auto kLastWords = 1s;
constexpr std::size_t kMostAnswer = 4096;

}  // namespace

struct Gateway::State {
  State(const asio::any_io_executor& executor, Beginning begun, Rules first, const Log& to)
      : io(executor),
        cable(std::move(begun.cable)),
        rules(std::move(first)),
        label(std::move(begun.label)),
        log(to),
        changed(executor) {
    take(std::move(begun.child));
  }

  void take(NetworkChild started);
  Result<void> launch();
  Result<void> tell();
  asio::awaitable<void> listen();
  static asio::awaitable<void> supervise(std::shared_ptr<State> state);

  asio::any_io_executor io;
  UniqueFd cable;
  Rules rules;  // the last that were accepted, or are to be
  std::string label;
  const Log& log;
  AsyncEvent changed;
  std::optional<NetworkChild> child;
  std::optional<asio::posix::stream_descriptor> control;
  std::uint64_t asked = 0;     // of this process
  std::uint64_t answered = 0;  // by this process
  std::string answer;          // the last
  bool is_ready = false;
  std::optional<Error> broken;  // before it was ready
  bool is_over = false;
};

void Gateway::State::take(NetworkChild started) {
  child.emplace(std::move(started));
  control.emplace(io, child->control.release());
  asked = answered = 0;
}

Result<void> Gateway::State::launch() {
  auto started = NetworkChild::start(cable.get(), label);
  if (!started) return started.error();
  take(*std::move(started));
  return tell();
}

Result<void> Gateway::State::tell() {
  if (!control) return Error{ErrorCode::kFailure, "the network process does not run", "try it once more"};
  const std::string text = to_text(rules) + "\n";
  if (text.size() > kMostControlBytes)
    return Error{ErrorCode::kOutOfRange, "the network rules are too long", ""};
  if (::send(control->native_handle(), text.data(), text.size(), MSG_NOSIGNAL) < 0)
    return errno_error("tell the network process its rules");
  ++asked;
  return {};
}

// Takes answers until the process has ended.
asio::awaitable<void> Gateway::State::listen() {
  for (;;) {
    asio::error_code failed;
    co_await control->async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, failed));
    if (failed || is_over) co_return;
    std::string text(kMostAnswer, '\0');
    const ssize_t got = ::recv(control->native_handle(), text.data(), text.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) co_return;
    text.resize(static_cast<std::size_t>(got));
    answer = std::move(text);
    ++answered;
    if (answer == kAccepted) is_ready = true;
    changed.notify_all();
  }
}

asio::awaitable<void> Gateway::State::supervise(std::shared_ptr<State> state) {
  for (;;) {
    co_await state->listen();
    if (state->is_over) co_return;
    state->control.reset();
    const auto status = state->child->process.wait_for(kLastWords);
    const std::string end = status && *status ? (*status)->describe() : "does not end";
    const std::string words = state->child->last_words();
    state->child.reset();
    state->log.info("the network process {}{}{}", end, words.empty() ? "" : ": ", words);
    if (!state->is_ready) {
      state->broken = Error{ErrorCode::kHostLacks, "the sandbox's network does not start: tl-net " + end,
                            "is libslirp0 installed? './dev setup run' does that"};
    }
    state->changed.notify_all();
    asio::steady_timer pause(state->io, kPause);
    co_await pause.async_wait(asio::use_awaitable);
    if (state->is_over) co_return;
    const auto again = state->launch();
    if (again) continue;
    state->log.info("no network any more: {}", again.error().message);
    co_return;
  }
}

Result<Gateway::Beginning> Gateway::begin(std::string label) {
  auto pair = packet_socket_pair();
  if (!pair) return pair.error().within("start the network");
  auto child = NetworkChild::start(pair->first.get(), label);
  if (!child) return child.error().within("start the network");
  return Beginning{std::move(pair->second), std::move(pair->first), std::move(label), *std::move(child)};
}

Result<std::unique_ptr<Gateway>> Gateway::start(const asio::any_io_executor& executor, Beginning begun,
                                                Rules rules, const Log& log) {
  auto state = std::make_shared<State>(executor, std::move(begun), std::move(rules), log);
  // One that has ended already is replaced like any other.
  if (auto told = state->tell(); !told && told.error().code == ErrorCode::kOutOfRange)
    return told.error().within("start the network");
  asio::co_spawn(executor, State::supervise(state), asio::detached);
  return std::unique_ptr<Gateway>(new Gateway(std::move(state)));
}

Gateway::Gateway(std::shared_ptr<State> state) : state_(std::move(state)) {}

Gateway::~Gateway() {
  state_->is_over = true;
  state_->control.reset();
  state_->child.reset();
}

asio::awaitable<Result<void>> Gateway::wait_ready() {
  const auto state = state_;
  while (!state->is_ready && !state->broken) co_await state->changed.wait();
  if (state->is_ready) co_return Result<void>();
  co_return *state->broken;
}

asio::awaitable<Result<void>> Gateway::apply(Rules rules) {
  const auto state = state_;
  const Rules before = std::exchange(state->rules, std::move(rules));
  const Rules wanted = state->rules;
  auto told = state->tell();
  if (!told) {
    // A process that is not there begins with them.
    if (state->control) state->rules = before;
    co_return told;
  }
  const std::uint64_t mine = state->asked;
  while (state->control && state->answered < mine) co_await state->changed.wait();
  if (!state->control)
    co_return Error{ErrorCode::kFailure, "the network process ended meanwhile", "try it once more"};
  if (state->answer == kAccepted) co_return Result<void>();
  if (state->rules == wanted) state->rules = before;
  co_return Error{ErrorCode::kOutOfRange, state->answer, ""};
}

}  // namespace tl::network
