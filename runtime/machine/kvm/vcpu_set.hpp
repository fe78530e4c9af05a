// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/result.hpp"
#include "runtime/machine/kvm/bus.hpp"
#include "runtime/machine/kvm/vcpu.hpp"
#include "runtime/machine/kvm/vcpu_exit.hpp"

namespace tl::machine::kvm {

// The vCPUs of a machine and their threads. Somebody who wants the guest to stand still holds it for a reason
// of his own, and it runs when no reason is left. Made held for kNotStarted, and without vCPUs: threads are
// there before the machine is, and the first of them can do something for it meanwhile.
//
// A held vCPU's thread rests outside of KVM_RUN with nothing half done: what an exit asked for has been taken
// back to the guest. hold() may be called from any thread but a vCPU's.
class VcpuSet {
 public:
  enum class Reason : unsigned {
    kNotStarted = 1,
    kPaused = 2,     // Machine::pause
    kThrottled = 4,  // the CPU limit
    kEnding = 8,     // never let go
  };
  // Called once, on a vCPU's thread, when the first of them ends.
  using OnEnd = std::function<void(VcpuEnd)>;

  // `count` threads, for at least one vCPU; the first does `first` before it rests. `bus` outlives the set.
  static Result<std::unique_ptr<VcpuSet>> start(std::size_t count, Bus& bus, OnEnd on_end,
                                                std::function<void()> first = {});
  // As many as there are threads. Once, before they are let go.
  void take(std::vector<Vcpu> vcpus);
  // What the first one's thread does when it is let go for the first time. Once, before that.
  void before_entry(std::function<void(Vcpu&)> todo);
  // Ends the threads, the first one after what it does first.
  ~VcpuSet();
  VcpuSet(const VcpuSet&) = delete;
  VcpuSet& operator=(const VcpuSet&) = delete;

  // hold() makes the vCPUs leave the guest soon; wait_until_still() waits until all have.
  void hold(Reason reason);
  void let_go(Reason reason);
  void wait_until_still();

  [[nodiscard]] std::size_t size() const { return members_.size(); }
  // While all are still, as they are from take() until they are first let go.
  [[nodiscard]] Vcpu& vcpu(std::size_t index) { return *members_[index]->vcpu; }
  // What all threads together have used. Any thread.
  [[nodiscard]] std::chrono::nanoseconds cpu_time() const;
  // As gettid(2) has them. Waits for threads that have not begun.
  [[nodiscard]] std::vector<pid_t> thread_ids() const;
  [[nodiscard]] const ExitCounts& exits() const { return exits_; }

 private:
  struct Member {
    std::optional<Vcpu> vcpu;
    std::thread thread;
    std::atomic<pid_t> id = 0;  // from when the thread begins
    bool half_done = false;     // the last exit is not finished before the next entry; the thread's own
  };

  VcpuSet(Bus& bus, OnEnd on_end) : bus_(bus), on_end_(std::move(on_end)) {}
  void run(Member& member);
  [[nodiscard]] bool rest(Member& member);
  void report(VcpuEnd end);
  void kick();

  Bus& bus_;
  OnEnd on_end_;
  std::function<void(Vcpu&)> before_entry_;
  ExitCounts exits_;
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<unsigned> held_ = static_cast<unsigned>(Reason::kNotStarted);
  std::atomic<bool> reported_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;  // held_ lost its last reason, still_ or the end came
  std::size_t still_ = 0;            // threads that rest, or have ended
};

}  // namespace tl::machine::kvm
