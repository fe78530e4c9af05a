// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/relay.hpp"

#include <cstddef>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/this_coro.hpp>

namespace tl::monitor {
namespace {

constexpr std::size_t kChunk = 32 * 1024;

using StreamPtr = std::shared_ptr<http2::Stream>;

enum class Passed {
  kAll,
  kSourceBroke,
  kSinkGone,
};

asio::awaitable<Passed> pass_on(StreamPtr from, StreamPtr to) {
  std::vector<std::byte> buffer(kChunk);
  for (;;) {
    const auto n = co_await from->read_some(buffer);
    if (!n) co_return Passed::kSourceBroke;
    if (*n == 0) {
      to->finish();
      co_return Passed::kAll;
    }
    const auto written = co_await to->write(std::span(buffer).first(*n));
    if (!written) co_return Passed::kSinkGone;
  }
}

asio::awaitable<void> pass_to_agent(StreamPtr client, StreamPtr agent) {
  const Passed passed = co_await pass_on(client, agent);
  if (passed == Passed::kSourceBroke) agent->reset(http2::Reset::kCancel);
}

asio::awaitable<void> pass_to_client(StreamPtr agent, StreamPtr client) {
  const auto status = co_await agent->status();
  if (!status) co_return;
  client->respond(*status);
  [[maybe_unused]] const Passed passed = co_await pass_on(agent, client);
}

asio::awaitable<void> break_together(StreamPtr one, StreamPtr other) {
  co_await one->wait_ended();
  if (one->broken()) other->reset(http2::Reset::kCancel);
}

}  // namespace

asio::awaitable<bool> relay(StreamPtr client, StreamPtr agent) {
  const auto executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, pass_to_agent(client, agent), asio::detached);
  const auto status = co_await agent->status();
  if (!status) co_return client->ended();
  client->respond(*status);
  const Passed passed = co_await pass_on(agent, client);
  if (passed == Passed::kSourceBroke) co_return client->ended();
  // The exchange is over, whatever the client still sends.
  agent->reset(passed == Passed::kAll ? http2::Reset::kNoError : http2::Reset::kCancel);
  co_return true;
}

asio::awaitable<void> relay_connection(StreamPtr client, StreamPtr agent) {
  const auto executor = co_await asio::this_coro::executor;
  client->keep_open();
  asio::co_spawn(executor, pass_to_agent(client, agent), asio::detached);
  asio::co_spawn(executor, pass_to_client(agent, client), asio::detached);
  asio::co_spawn(executor, break_together(agent, client), asio::detached);
  co_await break_together(client, agent);
}

}  // namespace tl::monitor
