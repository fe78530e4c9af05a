// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <slirp/libslirp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <list>
#include <utility>

#include "runtime/network/plan.hpp"
#include "runtime/network/stack.hpp"

namespace tl::network {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr std::pair<int, short> kEvents[] = {{SLIRP_POLL_IN, POLLIN},
                                             {SLIRP_POLL_OUT, POLLOUT},
                                             {SLIRP_POLL_PRI, POLLPRI},
                                             {SLIRP_POLL_ERR, POLLERR},
                                             {SLIRP_POLL_HUP, POLLHUP}};

in_addr ipv4(const char* text) {
  in_addr address = {};
  ::inet_pton(AF_INET, text, &address);
  return address;
}

in6_addr ipv6(const char* text) {
  in6_addr address = {};
  ::inet_pton(AF_INET6, text, &address);
  return address;
}

class SlirpStack final : public Stack {
 public:
  explicit SlirpStack(Deliver to_guest) : to_guest_(std::move(to_guest)) {}
  ~SlirpStack() override {
    if (slirp_ != nullptr) ::slirp_cleanup(slirp_);
  }

  Result<void> open();
  void give(Frame frame) override {
    ::slirp_input(slirp_, reinterpret_cast<const std::uint8_t*>(frame.data()),
                  static_cast<int>(frame.size()));
  }
  Milliseconds prepare(std::vector<pollfd>& polled) override;
  void proceed(std::span<const pollfd> polled) override;

 private:
  struct Timer {
    SlirpTimerCb call = nullptr;
    void* context = nullptr;
    std::int64_t due = -1;  // milliseconds of our clock; -1: not set
  };

  static SlirpStack& self(void* opaque) { return *static_cast<SlirpStack*>(opaque); }
  static SlirpCb callbacks();
  static int add_poll(int fd, int events, void* opaque);
  static int events_of(int index, void* opaque);
  static std::int64_t now_ms() {
    return std::chrono::duration_cast<Milliseconds>(Clock::now().time_since_epoch()).count();
  }

  Deliver to_guest_;
  Slirp* slirp_ = nullptr;
  SlirpCb callbacks_ = {};
  std::list<Timer> timers_;
  std::vector<pollfd>* preparing_ = nullptr;
  std::span<const pollfd> polled_;
};

SlirpCb SlirpStack::callbacks() {
  SlirpCb calls = {};
  calls.send_packet = [](const void* frame, std::size_t length, void* opaque) {
    self(opaque).to_guest_(Frame(static_cast<const std::byte*>(frame), length));
    return static_cast<ssize_t>(length);
  };
  calls.guest_error = [](const char*, void*) {};
  calls.clock_get_ns = [](void*) -> std::int64_t {
    return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
  };
  calls.timer_new = [](SlirpTimerCb call, void* context, void* opaque) -> void* {
    return &self(opaque).timers_.emplace_back(Timer{call, context});
  };
  calls.timer_free = [](void* timer, void* opaque) {
    self(opaque).timers_.remove_if([timer](const Timer& each) { return &each == timer; });
  };
  calls.timer_mod = [](void* timer, std::int64_t due, void*) { static_cast<Timer*>(timer)->due = due; };
  calls.register_poll_fd = [](int, void*) {};
  calls.unregister_poll_fd = [](int, void*) {};
  calls.notify = [](void*) {};
  return calls;
}

Result<void> SlirpStack::open() {
  SlirpConfig config = {};
  config.version = std::min(4, SLIRP_CONFIG_VERSION_MAX);
  config.in_enabled = true;
  config.vnetwork = ipv4("10.0.2.0");
  config.vnetmask = ipv4("255.255.255.0");
  config.vhost = ipv4(kGateway4);
  config.vnameserver = ipv4(kResolver4);
  config.in6_enabled = true;
  config.vprefix_addr6 = ipv6("fd74:6c00::");
  config.vprefix_len = kBits6;
  config.vhost6 = ipv6(kGateway6);
  config.vnameserver6 = ipv6("fd74:6c00::3");
  config.if_mtu = kMtu;
  config.if_mru = kMtu;
  config.disable_host_loopback = true;
  config.disable_dhcp = true;
  callbacks_ = callbacks();
  slirp_ = ::slirp_new(&config, &callbacks_, this);
  if (slirp_ == nullptr) return Error{ErrorCode::kFailure, "libslirp does not start", ""};
  return {};
}

int SlirpStack::add_poll(int fd, int events, void* opaque) {
  pollfd polled{fd, 0, 0};
  for (const auto& [theirs, ours] : kEvents) {
    // Errors are always told.
    if ((events & theirs) != 0 && ours != POLLERR && ours != POLLHUP)
      polled.events = static_cast<short>(polled.events | ours);
  }
  auto& list = *self(opaque).preparing_;
  list.push_back(polled);
  return static_cast<int>(list.size() - 1);
}

int SlirpStack::events_of(int index, void* opaque) {
  const auto polled = self(opaque).polled_;
  if (index < 0 || static_cast<std::size_t>(index) >= polled.size()) return 0;
  const short found = polled[static_cast<std::size_t>(index)].revents;
  int events = 0;
  for (const auto& [theirs, ours] : kEvents) {
    if ((found & ours) != 0) events |= theirs;
  }
  return events;
}

Milliseconds SlirpStack::prepare(std::vector<pollfd>& polled) {
  std::uint32_t most = 60'000;
  preparing_ = &polled;
  ::slirp_pollfds_fill(slirp_, &most, add_poll, this);
  preparing_ = nullptr;
  std::int64_t wait = most;
  for (const Timer& timer : timers_) {
    if (timer.due >= 0) wait = std::min(wait, std::max<std::int64_t>(0, timer.due - now_ms()));
  }
  return Milliseconds(wait);
}

void SlirpStack::proceed(std::span<const pollfd> polled) {
  polled_ = polled;
  ::slirp_pollfds_poll(slirp_, 0, events_of, this);
  polled_ = {};
  for (Timer& timer : timers_) {
    if (timer.due < 0 || timer.due > now_ms()) continue;
    timer.due = -1;
    timer.call(timer.context);
  }
}

}  // namespace

Result<std::unique_ptr<Stack>> Stack::create(Deliver to_guest) {
  auto stack = std::make_unique<SlirpStack>(std::move(to_guest));
  if (auto opened = stack->open(); !opened) return opened.error();
  return std::unique_ptr<Stack>(std::move(stack));
}

}  // namespace tl::network
