// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "common/async_event.hpp"
#include "common/result.hpp"
#include "runtime/machine/tcg/qmp_client.hpp"

namespace tl::machine {

// Takes the state of the devices and processors out of a paused QEMU, or puts it into one that was started
// with
// `-incoming defer`. It is QEMU's migration, to and from a memfd instead of another QEMU; the guest's memory
// is not part of it, because it is a file that is shared (x-ignore-shared).
//
// One thread. One save or load at a time. Owned by a shared pointer, which a running one keeps.
class Migration {
 public:
  // For what takes milliseconds on an idle host.
  static constexpr std::chrono::milliseconds kTimeout = std::chrono::seconds(60);

  // Awaited when QEMU is ready to load and before it does; its error is the load's.
  using Ready = std::function<asio::awaitable<Result<void>>()>;

  Migration(asio::any_io_executor executor, std::shared_ptr<QmpClient> qmp);

  // Every event of the QmpClient goes here.
  void on_event(const std::string& name, const nlohmann::json& data);
  // No event comes any more: whoever waits for one gets an error.
  void end();

  // QEMU has told that it failed, or nothing any more: one that was loading then prints why, and ends.
  [[nodiscard]] bool failed() const { return ended_ || status_ == "failed"; }

  // SavedState, serialized. QEMU is paused, and is paused and can go on afterwards, whatever came of it; it
  // must have gone on before it is saved once more.
  static asio::awaitable<Result<std::vector<std::byte>>> save(std::shared_ptr<Migration> self,
                                                              std::chrono::milliseconds timeout = kTimeout);
  // `bytes` is from save(). QEMU is paused afterwards. After an error it is of no use, and may be about to
  // end.
  static asio::awaitable<Result<void>> load(std::shared_ptr<Migration> self, std::vector<std::byte> bytes,
                                            Ready ready, std::chrono::milliseconds timeout = kTimeout);

 private:
  static asio::awaitable<Result<void>> prepare(std::shared_ptr<Migration> self);
  static asio::awaitable<Result<void>> stream_to(std::shared_ptr<Migration> self, int file,
                                                 std::chrono::milliseconds timeout);
  // Until QEMU has told how it ended; an error of its own, or none within the time.
  static asio::awaitable<Result<void>> await_end(std::shared_ptr<Migration> self,
                                                 std::chrono::milliseconds timeout);
  // Until QEMU would go on. It tells of the end before it is over with it, and has no event for that.
  static asio::awaitable<Result<void>> settle(std::shared_ptr<Migration> self);
  static asio::awaitable<Error> why_failed(std::shared_ptr<Migration> self);

  asio::any_io_executor executor_;
  std::shared_ptr<QmpClient> qmp_;
  AsyncEvent changed_;  // status_, ended_
  std::string status_;  // of the newest MIGRATION event; empty: none since the command
  bool ended_ = false;
};

}  // namespace tl::machine
