// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/monitor_main.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
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

namespace tl::monitor {
namespace {

struct Arguments {
  std::string home;
  std::string sandbox;
  std::string kernel;
  std::string image;
  std::string cpu;
  std::string accelerator;
  std::string template_key;
  std::string origin;
  Lifetime lifetime = Lifetime::kOwn;
  Log::Level level = Log::Level::kInfo;
};

Error not_for_people() {
  return Error{ErrorCode::kFailure, "--monitor is tl's own way to start a sandbox", "use tl sbx create"};
}

Result<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  const std::map<std::string_view, std::string*> values{
      {"--home", &arguments.home},     {"--sandbox", &arguments.sandbox},
      {"--kernel", &arguments.kernel}, {"--image", &arguments.image},
      {"--cpu", &arguments.cpu},       {"--template", &arguments.template_key},
      {"--origin", &arguments.origin}, {"--accelerator", &arguments.accelerator}};
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = values.find(word);
    if (value != values.end() && i + 1 < argc) {
      *value->second = argv[++i];
    } else if (word == "--with-creator") {
      arguments.lifetime = Lifetime::kCreators;
    } else if (word == "--debug") {
      arguments.level = Log::Level::kDebug;
    } else {
      return not_for_people();
    }
  }
  return arguments;
}

Result<void> own_sandbox(const Arguments& arguments, const Log& log) {
  Monitor::Options options;
  options.home = arguments.home;
  options.kernel = arguments.kernel;
  options.image = arguments.image;
  options.cpu = arguments.cpu;
  options.template_key = arguments.template_key;
  const auto origin = origin_of(arguments.origin);
  if (!origin) return not_for_people();
  options.origin = *origin;
  options.lifetime = arguments.lifetime;
  options.life_lock.reset(kLifeLockFd);
  options.creator.reset(kLaunchFd);
  options.listener.reset(kListenerFd);
  // While the creator makes the sandbox's files.
  if (arguments.accelerator == machine::accelerator_name(machine::Accelerator::kKvm))
    options.vm = machine::kvm::Vm::begin();
  auto orders = receive_orders(kLaunchFd, arguments.sandbox);
  if (!orders) return orders.error();
  options.record = std::move(orders->record);
  options.entrypoint = std::move(orders->entrypoint);
  options.warm_up = std::move(orders->warm_up);
  options.template_details = std::move(orders->template_details);

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
