// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

namespace tl {

// Lets coroutines of one io_context wait until something they look at has changed: a condition variable
// without a lock and without a system call. Waiters check their condition in a loop, as with any condition
// variable; a wait can be cancelled (asio's `||`). One thread. Destroying the event drops its waiters
// unresumed: wake them first and let them finish.
class AsyncEvent {
 public:
  explicit AsyncEvent(asio::any_io_executor executor) : state_(std::make_shared<State>()) {
    state_->executor = std::move(executor);
  }

  asio::awaitable<void> wait() {
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [](auto handler, std::shared_ptr<State> state) { State::add(std::move(state), std::move(handler)); },
        asio::use_awaitable, state_);
  }

  void notify_all() {
    auto waiters = std::exchange(state_->waiters, {});
    for (auto& [id, resume] : waiters) resume();
  }

 private:
  struct State {
    asio::any_io_executor executor;
    std::uint64_t next_id = 0;
    std::map<std::uint64_t, std::function<void()>> waiters;

    template <typename Handler>
    static void add(std::shared_ptr<State> state, Handler handler) {
      const std::uint64_t id = state->next_id++;
      auto slot = asio::get_associated_cancellation_slot(handler);
      auto shared = std::make_shared<Handler>(std::move(handler));
      state->waiters.emplace(id, [shared, slot, guard = asio::make_work_guard(state->executor)]() mutable {
        if (slot.is_connected()) slot.clear();
        asio::post(guard.get_executor(), [shared] { std::move (*shared)(); });
      });
      if (!slot.is_connected()) return;
      slot.assign([weak = std::weak_ptr(state), id](asio::cancellation_type) {
        const auto owner = weak.lock();
        if (!owner) return;
        auto waiter = owner->waiters.extract(id);
        if (!waiter.empty()) waiter.mapped()();
      });
    }
  };

  std::shared_ptr<State> state_;
};

}  // namespace tl
