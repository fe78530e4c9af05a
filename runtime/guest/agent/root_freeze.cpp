// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/root_freeze.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <exception>
#include <optional>
#include <utility>

#include <asio/co_spawn.hpp>

#include "common/io.hpp"

namespace tl::guest {
namespace {

constexpr std::chrono::milliseconds kThawAgain{1000};

Result<void> on_root(const char* what, int (*call)(int fd)) {
  const auto root = open_at(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
  if (!root) return root.error().within(what);
  if (call(root->get()) == 0) return {};
  return errno_error(what);
}

}  // namespace

RootFreeze::Calls root_file_system() {
  return {
      [] { return on_root("write the root file system back", ::syncfs); },
      [] { return on_root("freeze the root file system", [](int fd) { return ::ioctl(fd, FIFREEZE, 0); }); },
      [] {
        return on_root("thaw the root file system", [](int fd) {
          // EINVAL: it is not frozen.
          return ::ioctl(fd, FITHAW, 0) == 0 || errno == EINVAL ? 0 : -1;
        });
      }};
}

RootFreeze::RootFreeze(const asio::any_io_executor& executor, Calls calls, JobThread& jobs, StartGate& gate,
                       Alarm& alarm, Log log)
    : executor_(executor),
      calls_(std::move(calls)),
      jobs_(jobs),
      gate_(gate),
      alarm_(alarm),
      log_(log),
      changed_(executor) {}

void RootFreeze::become(State state) {
  state_ = state;
  if (state == State::kThawed) hold_.reset();
  if (state == State::kFrozen && !hold_) hold_ = gate_.close();
  changed_.notify_all();
}

asio::awaitable<void> RootFreeze::settle() {
  while (state_ == State::kFreezing || state_ == State::kThawing) co_await changed_.wait();
}

asio::awaitable<Result<void>> RootFreeze::write_back() {
  if (state_ == State::kFrozen) co_return Result<void>();
  auto sync_call = calls_.sync;
  auto synced = co_await jobs_.run(std::move(sync_call));
  co_return synced;
}

// Commands may start while the data is written back, for that may take long.
asio::awaitable<Result<void>> RootFreeze::take_hold() {
  auto synced = co_await write_back();
  if (!synced) co_return synced;
  if (unwanted_) co_return Error{ErrorCode::kConflict, "freezing the root file system was given up", ""};
  hold_ = gate_.close();
  auto freeze_call = calls_.freeze;
  auto frozen = co_await jobs_.run(std::move(freeze_call));
  co_return frozen;
}

asio::awaitable<Result<void>> RootFreeze::freeze(std::chrono::milliseconds lease) {
  while (state_ == State::kThawing) co_await changed_.wait();
  if (frozen()) co_return Error{ErrorCode::kConflict, "the root file system is frozen already", ""};
  unwanted_ = false;
  become(State::kFreezing);
  std::optional<Result<void>> held;  // none: the memory ran out, who knows where
  try {
    auto done = co_await take_hold();
    held.emplace(std::move(done));
  } catch (const std::exception&) {
    unwanted_ = true;
  }
  if (held && !*held) {
    become(State::kThawed);
    co_return *held;
  }
  become(State::kFrozen);
  thaw_later(lease);
  if (!unwanted_) co_return Result<void>();
  const auto thawed = co_await thaw();
  if (!thawed) co_return thawed.error();
  co_return Error{ErrorCode::kConflict, "freezing the root file system was given up", ""};
}

asio::awaitable<Result<void>> RootFreeze::thaw() {
  unwanted_ = true;
  co_await settle();
  if (!frozen()) co_return Result<void>();
  become(State::kThawing);
  alarm_.cancel();
  auto thaw_call = calls_.thaw;
  auto thawed = co_await jobs_.run(std::move(thaw_call));
  become(thawed ? State::kThawed : State::kFrozen);
  if (!thawed) thaw_later(kThawAgain);
  co_return thawed;
}

void RootFreeze::thaw_later(std::chrono::milliseconds after) {
  alarm_.set(after, [this] {
    log_.info("freeze: nobody thawed the root file system in time");
    thaw_now();
  });
}

void RootFreeze::thaw_now() {
  asio::co_spawn(executor_, thaw(), [this](const std::exception_ptr& thrown, const Result<void>& thawed) {
    if (thrown) {
      become(State::kFrozen);
      thaw_later(kThawAgain);
    } else if (!thawed) {
      log_.info("freeze: {}", thawed.error().message);
    }
  });
}

void RootFreeze::abandon() {
  if (state_ == State::kFreezing) unwanted_ = true;
  if (state_ == State::kFrozen) thaw_now();
}

}  // namespace tl::guest
