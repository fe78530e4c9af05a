// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/monitor_main.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <map>
#include <string>
#include <string_view>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include "runtime/monitor/control.hpp"
#include "runtime/monitor/footprint.hpp"
#include "runtime/monitor/launch.hpp"
#include "runtime/monitor/monitor.hpp"
#include "runtime/network/gateway.hpp"
#include "runtime/registry/paths.hpp"

namespace tl::monitor {
namespace {

struct Arguments {
  std::string home;
  std::string sandbox;
  std::string accelerator;
  Log::Level level = Log::Level::kInfo;
};

Error not_for_people() {
  return Error{ErrorCode::kFailure, "--monitor is tl's own way to start a sandbox", "use tl sbx create"};
}

Result<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  const std::map<std::string_view, std::string*> values{{"--home", &arguments.home},
                                                        {"--sandbox", &arguments.sandbox},
                                                        {"--accelerator", &arguments.accelerator}};
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = values.find(word);
    if (value != values.end() && i + 1 < argc) {
      *value->second = argv[++i];
    } else if (word == "--debug") {
      arguments.level = Log::Level::kDebug;
    } else {
      return not_for_people();
    }
  }
  return arguments;
}

Monitor::Options options_of(const Arguments& arguments, LaunchSpec orders) {
  Monitor::Options options;
  options.home = arguments.home;
  options.kernel = std::move(orders.kernel);
  options.image = std::move(orders.image);
  options.cpu = std::move(orders.cpu);
  options.template_key = std::move(orders.template_key);
  options.template_details = std::move(orders.template_details);
  options.origin = orders.origin;
  options.lifetime = orders.lifetime;
  options.life_lock = std::move(orders.life_lock);
  options.creator.reset(kLaunchFd);
  options.listener = std::move(orders.listener);
  options.record = std::move(orders.record);
  options.entrypoint = std::move(orders.entrypoint);
  options.warm_up = std::move(orders.warm_up);
  return options;
}

Result<void> own_sandbox(const Arguments& arguments, const Log& log) {
  // While the creator makes the sandbox.
  std::future<Result<machine::kvm::Vm>> vm;
  if (arguments.accelerator == machine::accelerator_name(machine::Accelerator::kKvm))
    vm = machine::kvm::Vm::begin();
  auto network = network::Gateway::begin(registry::work_path(arguments.home, arguments.sandbox).string());
  auto orders = receive_orders(kLaunchFd, arguments.sandbox);
  if (!orders) return orders.error();
  for (const int standard : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::dup2(orders->log.get(), standard) < 0) return errno_error("open the log");
  }
  Monitor::Options options = options_of(arguments, *std::move(orders));
  options.vm = std::move(vm);
  options.network = std::move(network);

  asio::io_context context(1);
  Monitor monitor(context, std::move(options), log);
  Result<void> outcome;
  asio::co_spawn(
      context,
      [](Monitor& of, Result<void>& into) -> asio::awaitable<void> { into = co_await of.run(); }(monitor,
                                                                                                 outcome),
      asio::detached);
  context.run();
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_NAME, "tl-monitor");
  prepare_for_small_threads();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // where it is ignored nobody can wait for a child
  const auto arguments = parse(argc, argv);
  const Log log(STDERR_FILENO, arguments ? arguments->level : Log::Level::kInfo);
  const Result<void> outcome = arguments ? own_sandbox(*arguments, log) : arguments.error();
  if (!outcome) log.info("{}", outcome.error().message);
  return outcome ? 0 : static_cast<int>(outcome.error().code);
}

}  // namespace tl::monitor
