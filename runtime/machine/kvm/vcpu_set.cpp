// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/kvm/vcpu_set.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "common/check.hpp"

// How a vCPU is stopped without a race. A thread that is in the guest comes out for a signal; one that is
// just about to enter would miss it, if the signal came between its last look at held_ and KVM_RUN. Therefore
// hold() first raises held_, then sets immediate_exit, which makes KVM_RUN return at once, and only then
// sends the signal: whatever the thread is doing, one of the three stops it.
//
// On the way back the thread takes immediate_exit away and then looks at held_. hold() writes the two in the
// other order, and both are sequentially consistent, so that either the thread sees the new reason or
// immediate_exit stays set.
//
// An exit for port I/O or MMIO is only finished by the next KVM_RUN, which is when KVM takes the result over.
// So a thread that is to rest after an exit enters once more with immediate_exit set: that finishes it and
// does not run the guest.
namespace tl::machine::kvm {
namespace {

// Of the real-time signals, which nobody else here uses; does nothing but interrupt.
int kick_signal() {
  return SIGRTMIN;
}

void take_kicks() {
  struct sigaction action = {};
  action.sa_handler = [](int) {};  // no SA_RESTART
  ::sigaction(kick_signal(), &action, nullptr);
}

}  // namespace

Result<std::unique_ptr<VcpuSet>> VcpuSet::start(std::size_t count, Bus& bus, OnEnd on_end,
                                                std::function<void()> first) {
  take_kicks();
  std::unique_ptr<VcpuSet> set(new VcpuSet(bus, std::move(on_end)));
  for (std::size_t i = 0; i < count; ++i) set->members_.push_back(std::make_unique<Member>());
  for (std::size_t i = 0; i < count; ++i) {
    Member& member = *set->members_[i];
    try {
      member.thread = std::thread([set = set.get(), &member, i, first = std::exchange(first, {})] {
        ::prctl(PR_SET_NAME, ("vcpu-" + std::to_string(i)).c_str());
        if (first) first();
        set->run(member);
      });
    } catch (const std::system_error& error) {
      return errno_error(error.code().value(), "start a thread for a vCPU");
    }
  }
  return set;
}

void VcpuSet::take(std::vector<Vcpu> vcpus) {
  TL_CHECK(vcpus.size() == members_.size());
  // The threads that rest see them when they are let go.
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < vcpus.size(); ++i) members_[i]->vcpu.emplace(std::move(vcpus[i]));
}

void VcpuSet::before_entry(std::function<void(Vcpu&)> todo) {
  const std::lock_guard lock(mutex_);
  before_entry_ = std::move(todo);
}

VcpuSet::~VcpuSet() {
  hold(Reason::kEnding);
  for (auto& member : members_) {
    if (member->thread.joinable()) member->thread.join();
  }
}

void VcpuSet::hold(Reason reason) {
  if (held_.fetch_or(static_cast<unsigned>(reason)) == 0 || reason == Reason::kEnding) kick();
}

void VcpuSet::let_go(Reason reason) {
  {
    const std::lock_guard lock(mutex_);
    held_.fetch_and(~static_cast<unsigned>(reason));
  }
  changed_.notify_all();
}

void VcpuSet::kick() {
  for (auto& member : members_) {
    if (member->vcpu) member->vcpu->request_exit();
    if (member->thread.joinable()) ::pthread_kill(member->thread.native_handle(), kick_signal());
  }
  // Those who rest look at held_ again.
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void VcpuSet::wait_until_still() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return still_ == members_.size(); });
}

// Until nobody holds the vCPUs. False at the end.
bool VcpuSet::rest(Member& member) {
  const auto ending = [this] { return (held_.load() & static_cast<unsigned>(Reason::kEnding)) != 0; };
  if (member.half_done && !ending()) {
    member.vcpu->request_exit();
    static_cast<void>(member.vcpu->enter());
    member.half_done = false;
  }
  std::unique_lock lock(mutex_);
  ++still_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return held_.load() == 0 || ending(); });
  if (ending()) return false;
  --still_;
  return true;
}

void VcpuSet::run(Member& member) {
  member.id = ::gettid();
  member.id.notify_all();
  if (!rest(member)) return;  // until there are vCPUs, and they are let go
  if (&member == members_.front().get() && before_entry_) before_entry_(*member.vcpu);
  for (;;) {
    member.vcpu->take_exit_request();
    while (held_.load() != 0) {
      if (!rest(member)) return;
      member.vcpu->take_exit_request();
    }
    const int entered = member.vcpu->enter();
    member.half_done = entered == 0;
    if (entered == -EINTR || entered == -EAGAIN) {
      ++exits_.interrupted;
      continue;
    }
    auto end =
        entered < 0 ? end_of_failed_entry(*member.vcpu, -entered) : handle_exit(*member.vcpu, bus_, exits_);
    if (!end) continue;
    report(*std::move(end));
  }
}

// The others are stopped too: a machine without one of its processors is none.
void VcpuSet::report(VcpuEnd end) {
  held_.fetch_or(static_cast<unsigned>(Reason::kEnding));
  kick();
  if (!reported_.exchange(true)) on_end_(std::move(end));
}

std::vector<pid_t> VcpuSet::thread_ids() const {
  std::vector<pid_t> ids;
  for (const auto& member : members_) {
    member->id.wait(0);
    ids.push_back(member->id);
  }
  return ids;
}

std::chrono::nanoseconds VcpuSet::cpu_time() const {
  std::chrono::nanoseconds total(0);
  for (const auto& member : members_) {
    clockid_t clock = 0;
    timespec time = {};
    // A thread that has ended and is not joined yet has no clock any more.
    if (::pthread_getcpuclockid(const_cast<Member&>(*member).thread.native_handle(), &clock) != 0) continue;
    if (::clock_gettime(clock, &time) != 0) continue;
    total += std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  return total;
}

}  // namespace tl::machine::kvm
