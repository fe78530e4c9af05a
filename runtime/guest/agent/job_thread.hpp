// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

namespace tl::guest {

// Runs what may block for long, or for ever on a file system that somebody froze, beside the event loop of
// PID 1: one job after the other, in the order of the calls. Destroying it waits for the jobs.
class JobThread {
 public:
  JobThread() : thread_(1) {}

  // The job runs on the thread; what comes after this call runs where the caller does.
  template <typename T>
  asio::awaitable<T> run(std::function<T()> job) {
    const auto result = std::make_shared<std::optional<T>>();
    asio::awaitable<void> work = carry_out<T>(std::move(job), result);
    co_await asio::co_spawn(thread_, std::move(work), asio::use_awaitable);
    co_return std::move(**result);
  }

 private:
  template <typename T>
  static asio::awaitable<void> carry_out(std::function<T()> job, std::shared_ptr<std::optional<T>> result) {
    result->emplace(job());
    co_return;
  }
  asio::thread_pool thread_;
};

}  // namespace tl::guest
