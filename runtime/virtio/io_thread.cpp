// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/io_thread.hpp"

#include <sys/epoll.h>
#include <sys/prctl.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace tl::virtio {
namespace {

constexpr std::uint64_t kStopId = 0;
constexpr int kBatch = 16;

}  // namespace

Result<std::unique_ptr<IoThread>> IoThread::start(const std::string& name) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return errno_error("epoll_create1");
  auto stop = EventFd::create();
  if (!stop) return stop.error();
  epoll_event event = {EPOLLIN, {.u64 = kStopId}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop->fd(), &event) != 0) return errno_error("epoll_ctl");
  std::unique_ptr<IoThread> made(new IoThread(std::move(epoll), *std::move(stop)));
  try {
    made->thread_ = std::thread([thread = made.get(), name] {
      ::prctl(PR_SET_NAME, name.c_str());
      thread->run();
    });
  } catch (const std::system_error& error) {
    return errno_error(error.code().value(), "start a thread for devices");
  }
  return made;
}

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  resumed_.notify_all();
  stop_.signal();
  thread_.join();
}

std::unique_ptr<IoThread::Watch> IoThread::watch(int fd, std::function<void()> handler) {
  const std::uint64_t id = next_id_++;
  handlers_.emplace(id, std::move(handler));
  return std::unique_ptr<Watch>(new Watch(*this, fd, id));
}

std::unique_lock<std::mutex> IoThread::exclusive() {
  ++wanted_;
  std::unique_lock lock(mutex_);
  --wanted_;
  return lock;
}

void IoThread::pause() {
  const auto lock = exclusive();
  paused_ = true;
}

void IoThread::resume() {
  {
    const auto lock = exclusive();
    paused_ = false;
  }
  resumed_.notify_all();
}

void IoThread::run() {
  std::array<epoll_event, kBatch> events;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kBatch, -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (events[static_cast<std::size_t>(i)].data.u64 == kStopId) return;
      call(events[static_cast<std::size_t>(i)].data.u64);
    }
  }
}

void IoThread::call(std::uint64_t id) {
  // A mutex is not fair: whoever waits for it would not get it between two handlers.
  while (is_wanted()) std::this_thread::yield();
  std::unique_lock lock(mutex_);
  resumed_.wait(lock, [this] { return !paused_ || ending_; });
  if (ending_) return;
  const auto found = handlers_.find(id);  // an earlier handler of this batch may have dropped it
  if (found == handlers_.end()) return;
  const auto handler = found->second;  // it may drop its own watch
  handler();
}

void IoThread::Watch::want(bool reading, bool writing) {
  const std::uint32_t events = (reading ? EPOLLIN : 0U) | (writing ? EPOLLOUT : 0U);
  if (events == events_) return;
  events_ = events;
  // Taken out altogether when nothing is wanted: epoll would tell of a hang-up all the same.
  const int operation = events == 0 ? EPOLL_CTL_DEL : added_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  epoll_event event = {events, {.u64 = id_}};
  TL_CHECK(::epoll_ctl(thread_.epoll_.get(), operation, fd_, &event) == 0);
  added_ = events != 0;
}

IoThread::Watch::~Watch() {
  want(false, false);
  thread_.handlers_.erase(id_);
}

}  // namespace tl::virtio
