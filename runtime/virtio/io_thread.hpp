// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/event_fd.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::virtio {

// The thread that devices run on: it waits for descriptors and calls whoever watches them, one at a time.
// Another thread that has to touch a device (a vCPU that resets it, the control thread that saves it) takes
// exclusive(), and then no handler runs. Watches are made, changed and dropped by handlers or under
// exclusive().
class IoThread {
 public:
  // Level-triggered. Dropping it ends the calls.
  class Watch {
   public:
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();
    // What is waited for, from now on; none at all is fine. An error or the other side's end is told while
    // anything is waited for.
    void want(bool reading, bool writing);

   private:
    friend class IoThread;
    Watch(IoThread& thread, int fd, std::uint64_t id) : thread_(thread), fd_(fd), id_(id) {}
    IoThread& thread_;
    int fd_;
    std::uint64_t id_;
    std::uint32_t events_ = 0;
    bool added_ = false;
  };

  // `name`: at most 15 characters, for ps and top.
  static Result<std::unique_ptr<IoThread>> start(const std::string& name);
  // Ends after the handler that runs now. All watches are gone by then.
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  // Waits for nothing until want() is called. The descriptor is borrowed.
  [[nodiscard]] std::unique_ptr<Watch> watch(int fd, std::function<void()> handler);

  // Waits for the handler that runs, and keeps the next one from running. Not from a handler.
  [[nodiscard]] std::unique_lock<std::mutex> exclusive();
  // Somebody waits in exclusive(): a handler that could go on for long should return, and see to it that it
  // is called again.
  [[nodiscard]] bool is_wanted() const { return wanted_.load(std::memory_order_relaxed) != 0; }

  // Between these two no handler runs. Control thread; not nested.
  void pause();
  void resume();

 private:
  IoThread(UniqueFd epoll, EventFd stop) : epoll_(std::move(epoll)), stop_(std::move(stop)) {}
  void run();
  void call(std::uint64_t id);

  UniqueFd epoll_;
  EventFd stop_;
  std::mutex mutex_;  // held while a handler runs
  std::condition_variable resumed_;
  std::atomic<int> wanted_ = 0;
  bool paused_ = false;
  bool ending_ = false;
  std::uint64_t next_id_ = 1;  // 0 is stop_
  std::map<std::uint64_t, std::function<void()>> handlers_;
  std::thread thread_;
};

}  // namespace tl::virtio
