// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/io_thread.hpp"

#include <unistd.h>

#include <atomic>
#include <vector>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::virtio;

namespace {

void wait_for(const std::atomic<int>& value, int at_least) {
  for (int waited = 0; value < at_least; ++waited) {
    REQUIRE(waited < 60'000);
    ::usleep(1000);
  }
}

}  // namespace

TEST_CASE("a handler is called while its descriptor is ready and wanted") {
  auto thread = *IoThread::start("test");
  const auto event = *EventFd::create();
  std::atomic<int> calls = 0;
  std::unique_ptr<IoThread::Watch> watch;
  {
    const auto lock = thread->exclusive();
    watch = thread->watch(event.fd(), [&] {
      event.take();
      ++calls;
    });
    watch->want(true, false);
  }
  event.signal();
  wait_for(calls, 1);
  {
    const auto lock = thread->exclusive();
    watch->want(false, false);
  }
  event.signal();
  ::usleep(5000);
  CHECK(calls == 1);
  const auto lock = thread->exclusive();
  watch.reset();
}

TEST_CASE("between pause and resume no handler runs, and none is forgotten") {
  auto thread = *IoThread::start("test");
  const auto event = *EventFd::create();
  std::atomic<int> calls = 0;
  std::unique_ptr<IoThread::Watch> watch;
  {
    const auto lock = thread->exclusive();
    watch = thread->watch(event.fd(), [&] { calls += static_cast<int>(event.take()); });
    watch->want(true, false);
  }
  for (int round = 1; round <= 20; ++round) {
    thread->pause();
    event.signal();
    ::usleep(1000);
    CHECK(calls == round - 1);
    thread->resume();
    wait_for(calls, round);
  }
  const auto lock = thread->exclusive();
  watch.reset();
}

TEST_CASE("whoever wants the thread for himself gets it from a handler that is always ready") {
  auto thread = *IoThread::start("test");
  const auto event = *EventFd::create();
  event.signal();
  std::atomic<int> calls = 0;
  std::unique_ptr<IoThread::Watch> watch;
  {
    const auto lock = thread->exclusive();
    watch = thread->watch(event.fd(), [&] { ++calls; });
    watch->want(true, false);
  }
  wait_for(calls, 1);
  for (int round = 0; round < 1000; ++round) {
    const auto lock = thread->exclusive();
    const int before = calls;
    CHECK(calls == before);
  }
  const auto lock = thread->exclusive();
  watch.reset();
}

TEST_CASE("a handler may drop its own watch and another's") {
  auto thread = *IoThread::start("test");
  const auto first = *EventFd::create();
  const auto second = *EventFd::create();
  std::atomic<int> calls = 0;
  std::vector<std::unique_ptr<IoThread::Watch>> watches;
  {
    const auto lock = thread->exclusive();
    for (const EventFd* event : {&first, &second}) {
      watches.push_back(thread->watch(event->fd(), [&] {
        ++calls;
        watches.clear();
      }));
      watches.back()->want(true, false);
    }
    first.signal();
    second.signal();
  }
  wait_for(calls, 1);
  ::usleep(5000);
  CHECK(calls == 1);
}

TEST_CASE("a thread ends while it is paused and while handlers are ready") {
  for (const bool paused : {false, true}) {
    auto thread = *IoThread::start("test");
    const auto event = *EventFd::create();
    event.signal();
    std::unique_ptr<IoThread::Watch> watch;
    {
      const auto lock = thread->exclusive();
      watch = thread->watch(event.fd(), [] {});
      watch->want(true, false);
    }
    if (paused) thread->pause();
    {
      const auto lock = thread->exclusive();
      watch.reset();
    }
    thread.reset();
  }
}
