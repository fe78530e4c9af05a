// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/child_process.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/registry/record.hpp"

namespace tl::monitor {

// Who a sandbox outlives.
enum class Lifetime {
  kOwn,       // nobody: it lives until it is terminated
  kCreators,  // it is terminated when the process that launched it goes away, however that happens
};

// What the guest is when the monitor starts it.
enum class Origin {
  kBoot,      // nothing yet: it boots, from the disk that the work folder has, or from a new one
  kResume,    // saved in the work folder, and goes on as the same sandbox
  kCopy,      // saved in the work folder, linked from another sandbox, of which it is a copy
  kTemplate,  // saved in the work folder, linked from a template
};
[[nodiscard]] std::string_view origin_word(Origin origin);
[[nodiscard]] std::optional<Origin> origin_of(std::string_view word);

// What a monitor is told before there is a sandbox.
struct LaunchBegin {
  std::string home;         // absolute path of the state folder
  std::string sandbox_id;   // that it is going to have
  std::string accelerator;  // what its machine runs on
  bool debug = false;
};

struct LaunchSpec {
  registry::SandboxRecord record;  // as its document, which exists, has it
  std::string kernel;              // absolute paths of what it is made from, which the creator has found
  std::string image;
  std::string cpu;           // AcceleratorChoice::fingerprint
  std::string template_key;  // of the template that it goes on from, or makes when it has booted; empty: none
  std::string template_details;  // of the template that it goes on from, as TemplateStore has them
  Origin origin = Origin::kBoot;
  // A guest::ExecRequest, detached and encoded, that a guest begins with; empty: none.
  std::vector<std::byte> entrypoint;
  // A guest::ExecRequest, encoded, that a guest has run when it becomes a template; empty: none.
  std::vector<std::byte> warm_up;
  UniqueFd life_lock;  // held; passed on without a gap
  UniqueFd listener;   // of listen_control(): commands can connect before the monitor is there
  UniqueFd log;        // the monitor's stdout and stderr
  Lifetime lifetime = Lifetime::kOwn;
};

// The creator's end of a monitor that has been started. Dropping it before accept() gives the sandbox up;
// with Lifetime::kCreators dropping it ends the sandbox at any time. Blocking; one thread.
class Launch {
 public:
  // There need not be anything of its sandbox yet: the monitor makes itself ready until go().
  static Result<Launch> begin(const LaunchBegin& begin);
  // Everything is there: it is the sandbox's monitor from now on. Once, before what follows.
  Result<void> go(LaunchSpec spec);

  // Waits until the sandbox is Running. The error is the monitor's own, or tells that it died. `signals` (-1:
  // none): a readable descriptor gives up, without reading it.
  Result<void> wait_ready(int signals);
  // Takes the sandbox over: it is nobody's half-made thing any more. Before wait_ready(), by callers that do
  // not wait at all, it tells the monitor to record a failed start instead of reporting it.
  Result<void> accept();

  // Ends a sandbox that was not accepted, and waits until its monitor is gone. Harmless when it is gone
  // already.
  void give_up();

 private:
  explicit Launch(UniqueFd link) : link_(std::move(link)) {}
  UniqueFd link_;
};

// The descriptor at which a monitor finds the link.
inline constexpr int kLaunchFd = 3;

// What go() sends: all of it, the descriptors among it. kNotFound when the creator has left instead.
Result<LaunchSpec> receive_orders(int launch_fd, const std::string& id);

}  // namespace tl::monitor
