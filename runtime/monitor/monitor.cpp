// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/monitor.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "common/io.hpp"
#include "common/printable.hpp"
#include "common/random.hpp"
#include "runtime/monitor/control.hpp"
#include "runtime/monitor/footprint.hpp"
#include "runtime/monitor/guest_command.hpp"
#include "runtime/monitor/removal_watch.hpp"
#include "runtime/monitor/template_details.hpp"
#include "runtime/network/plan.hpp"
#include "runtime/registry/paths.hpp"

namespace tl::monitor {
namespace {

using namespace std::chrono_literals;

// An emulated machine on a busy host takes its time; one that takes longer than this will not come.
constexpr auto kBootLimit = 180s;
// One that goes on takes less than a second; it can be started from the same state again.
constexpr auto kGoOnLimit = 60s;
constexpr std::size_t kEntropyBytes = 64;
constexpr auto kEntrypointLimit = 30s;
constexpr std::size_t kShownBytes = 1000;  // of a guest's own words
// How long an agent in an old session may take to answer, before it is asked once more.
constexpr auto kOldSessionRetry = 100ms;
constexpr const char* kDefaultHostname = "tl-sbx";

// 32 hexadecimal digits that are this sandbox's for as long as it is there: its ID, a number of 21 digits to
// the base of 36, to the base of 16.
std::string machine_id_of(const std::string& id) {
  std::array<std::uint32_t, 4> number = {};  // the lowest first
  for (const char c : id) {
    std::uint64_t carry =
        c >= 'a' ? static_cast<std::uint64_t>(c - 'a') + 10 : static_cast<std::uint64_t>(c - '0');
    for (std::uint32_t& part : number) {
      carry += std::uint64_t{part} * 36;
      part = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
  }
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", number[3], number[2], number[1], number[0]);
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

guest::NetworkSetup::Subnet subnet(const char* address, unsigned bits, const char* gateway) {
  return {text_of(network::Address::parse(address)->wire()), bits,
          text_of(network::Address::parse(gateway)->wire())};
}

guest::NetworkSetup network_setup(const std::string& id, Origin origin) {
  guest::NetworkSetup setup;
  const network::MacAddress mac = network::mac_of(id);
  setup.mac = text_of(std::as_bytes(std::span(mac)));
  if (origin != Origin::kBoot) return setup;  // what goes on has the rest
  setup.subnets = {subnet(network::kGuest4, network::kBits4, network::kGateway4),
                   subnet(network::kGuest6, network::kBits6, network::kGateway6)};
  setup.resolvers = {network::kResolver4};
  return setup;
}

std::optional<guest::Restored> restored_from(Origin origin) {
  switch (origin) {
    case Origin::kBoot:
      break;
    case Origin::kResume:
      return guest::Restored::kResumed;
    case Origin::kCopy:
      return guest::Restored::kCopied;
    case Origin::kTemplate:
      return guest::Restored::kFresh;
  }
  return std::nullopt;
}

std::chrono::seconds limit_of(Origin origin) {
  return origin == Origin::kCopy || origin == Origin::kTemplate ? kGoOnLimit : kBootLimit;
}

std::string describe(const machine::MachineExit& exit) {
  using Cause = machine::MachineExit::Cause;
  switch (exit.cause) {
    case Cause::kPowerOff:
      return "the guest powered off";
    case Cause::kReset:
      return "the guest rebooted";
    case Cause::kPanic:
      return "the guest kernel panicked: " + exit.detail;
    case Cause::kKilled:
      return "killed";
    case Cause::kBroken:
      return "the machine failed: " + exit.detail;
  }
  return exit.detail;
}

}  // namespace

Monitor::Monitor(asio::io_context& context, Options options, const Log& log)
    : context_(context),
      options_(std::move(options)),
      log_(log),
      record_(std::move(options_.record)),
      ports_(
          context.get_executor(), [this](const std::string& path) { return open_connection(path); }, log),
      control_(context.get_executor(), std::move(options_.listener), log,
               [this](StreamPtr stream) { serve(std::move(stream)); }),
      creator_(context),
      is_new_(record_.status == registry::SandboxState::kPending),
      changed_(context.get_executor()) {}

asio::awaitable<Result<void>> Monitor::run() {
  Result<void> started = co_await start_machine();
  // The guest is on its way. Whatever can wait until then waits until here.
  if (const auto settled = settle(); started) started = settled;
  creator_.assign(options_.creator.release());
  asio::co_spawn(context_, watch_creator(), asio::detached);
  asio::co_spawn(context_, watch_signals(), asio::detached);
  asio::co_spawn(context_, control_.run(), asio::detached);
  if (started) started = co_await boot();
  if (started) {
    log_.info("running");
    report_launch(std::nullopt);
    give_back_start_up_memory();
    asio::co_spawn(context_, watch_timeouts(), asio::detached);
    asio::co_spawn(context_, watch_folder(), asio::detached);
    asio::co_spawn(context_, watch_agent(), asio::detached);
    while (!end_ || keeping_) co_await changed_.wait();
  } else {
    log_.info("start failed: {}", started.error().message);
    report_launch(started.error());
    end(started.error().message);
  }
  finish();
  co_return started;
}

Result<void> Monitor::prepare() {
  log_.debug("preparing");
  const auto work_folder = registry::work_path(options_.home, record_.sandbox_id);
  auto work = open_at(AT_FDCWD, work_folder.string(), O_RDONLY | O_DIRECTORY);
  if (!work) return work.error();
  Assembly::Plan plan;
  plan.record = record_;
  plan.image = {options_.image, record_.image_digest};
  plan.kernel = options_.kernel;
  plan.work_folder = work_folder;
  plan.work = *std::move(work);
  plan.cpu = options_.cpu;
  plan.vm = std::move(options_.vm);
  plan.network = std::move(options_.network);
  plan.details = template_details_from(options_.template_details);
  if (options_.origin != Origin::kBoot) plan.begin = Assembly::Plan::Begin::kRestore;
  auto assembly = Assembly::build(context_.get_executor(), std::move(plan), log_);
  if (!assembly) return assembly.error();
  assembly_ = *std::move(assembly);
  return {};
}

asio::awaitable<Result<void>> Monitor::start_machine() {
  if (auto prepared = prepare(); !prepared) co_return prepared;
  auto started = co_await assembly_->start();
  log_.debug("the machine is started");
  co_return started;
}

Result<void> Monitor::settle() {
  auto folder = registry::StateFolder::open(options_.home);
  if (!folder) return folder.error();
  auto registry = registry::Registry::open(*std::move(folder));
  if (!registry) return registry.error();
  registry_.emplace(*std::move(registry));
  auto life = registry_->adopt_life(record_.sandbox_id, std::move(options_.life_lock));
  if (!life) return life.error();
  life_.emplace(*std::move(life));
  return {};
}

asio::awaitable<Result<void>> Monitor::boot() {
  asio::co_spawn(context_, watch_machine(), asio::detached);
  asio::co_spawn(context_, configure(), asio::detached);
  while (!configured_ && !end_) co_await changed_.wait();
  if (end_) co_return Error{ErrorCode::kFailure, *end_, ""};
  if (!*configured_) co_return *configured_;
  const auto connected = co_await assembly_->network_ready();
  if (!connected) co_return connected;

  if (options_.origin == Origin::kBoot && !options_.template_key.empty()) {
    const auto able = co_await make_template();
    if (!able) co_return able.error().within("go on after making a template");
  }
  const auto begun = co_await start_entrypoint();
  if (!begun) co_return begun;
  if (auto exposed = ports_.set(record_.exposed_ports); !exposed)
    co_return exposed.error().within("expose the sandbox's ports");
  if (auto running = become(registry::SandboxState::kRunning); !running) co_return running;
  ready_ = true;
  changed_.notify_all();
  co_return Result<void>();
}

// A guest that goes on from where it was has its entrypoint, or has had it.
asio::awaitable<Result<void>> Monitor::start_entrypoint() {
  const bool begins = options_.origin == Origin::kBoot || options_.origin == Origin::kTemplate;
  if (!begins || options_.entrypoint.empty()) co_return Result<void>();
  const auto ran = co_await run_in_guest(*agent_, std::move(options_.entrypoint), kEntrypointLimit);
  if (!ran) co_return ran.error().within("start the entrypoint");
  if (!*ran) co_return Result<void>();
  const std::string why = make_printable((*ran)->message, kShownBytes);
  log_.info("the entrypoint did not start: {}", why);
  // One that was not asked for is the image's; and a sandbox that was there before is of use without it.
  if (!is_new_ || record_.entrypoint.empty()) co_return Result<void>();
  co_return Error{ErrorCode::kOutOfRange, fmt::format("the entrypoint did not start: {}", why),
                  "--entrypoint wants a program that the image has"};
}

Result<void> Monitor::become(registry::SandboxState state, std::string reason) {
  auto updated = registry_->update(record_.sandbox_id, [&](registry::SandboxRecord& record) -> Result<void> {
    record.status = state;
    record.reason = std::move(reason);
    record.monitor_pid = registry::needs_monitor(state) ? ::getpid() : 0;
    return {};
  });
  if (!updated) return updated.error();
  record_ = *std::move(updated);
  return {};
}

asio::awaitable<Result<void>> Monitor::connect_agent(UniqueFd link) {
  guest::HandshakeLimits limits;
  limits.total = limit_of(options_.origin);
  if (options_.origin != Origin::kBoot) limits.retry = kOldSessionRetry;
  // A template was saved between two sessions, everything else within one.
  if (options_.origin == Origin::kResume || options_.origin == Origin::kCopy)
    limits.old_session = guest::HandshakeLimits::OldSession::kOpen;
  auto connected = co_await guest::AgentClient::connect(std::move(link), limits);
  if (!connected) co_return connected.error().within("wait for the guest");
  log_.debug("the agent answers");
  agent_ = *std::move(connected);
  co_return Result<void>();
}

asio::awaitable<void> Monitor::configure() {
  configured_ = co_await configure_agent();
  log_.debug("the guest is configured");
  changed_.notify_all();
}

asio::awaitable<Result<void>> Monitor::configure_agent() {
  const auto connected = co_await connect_agent(assembly_->take_agent_link());
  if (!connected) co_return connected;
  guest::Configuration configuration;
  configuration.hostname = record_.name.value_or(kDefaultHostname);
  configuration.wall_clock = std::chrono::system_clock::now().time_since_epoch();
  configuration.entropy.resize(kEntropyBytes);
  fill_random(configuration.entropy);
  configuration.disk_mib = record_.resources.disk_mb;
  configuration.machine_id = machine_id_of(record_.sandbox_id);
  configuration.restored = restored_from(options_.origin);
  configuration.network = network_setup(record_.sandbox_id, options_.origin);
  auto configured = co_await agent_->configure(std::move(configuration), limit_of(options_.origin));
  co_return configured;
}

void Monitor::end(std::string reason) {
  if (end_) return;
  end_ = std::move(reason);
  changed_.notify_all();
}

void Monitor::crash(std::string reason) {
  if (!end_) crashed_ = true;
  end(std::move(reason));
}

void Monitor::finish() {
  log_.info("end: {}", *end_);
  assembly_.reset();
  // An acceptance that came in the same moment as the end counts.
  char byte = 0;
  if (!accepted_) accepted_ = ::recv(creator_.native_handle(), &byte, 1, MSG_DONTWAIT) == 1;
  if (const auto left = leave_record(); !left) log_.info("{}", left.error().message);
  asio::error_code ignored;
  creator_.close(ignored);
  context_.stop();
}

// What the world is to know of it from now on.
Result<void> Monitor::leave_record() {
  // Whoever removes the folder is not to find something new in it; whoever reads the record corrects it.
  if (!registry_ || suspended_ || removed_) return {};
  if (is_new_ && !accepted_) return registry_->abandon(record_.sandbox_id);
  // A sandbox that could not be resumed is as it was.
  if (!is_new_ && !ready_) return {};
  const auto left = crashed_ ? registry_->lose_machine(record_.sandbox_id, *end_)
                             : registry_->terminate(record_.sandbox_id, *end_);
  if (!left) return left.error();
  return {};
}

void Monitor::report_launch(const std::optional<Error>& error) {
  if (accepted_ && options_.lifetime == Lifetime::kOwn) return;
  // A creator that is gone is noticed by watch_creator.
  const auto told = write_all(creator_.native_handle(), to_json(LaunchReport{error}));
  if (!told) log_.debug("creator: {}", told.error().message);
}

asio::awaitable<void> Monitor::watch_creator() {
  for (;;) {
    char byte = 0;
    asio::error_code failed;
    const std::size_t n = co_await creator_.async_read_some(
        asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, failed));
    if (!failed && n == 1 && byte == kLaunchAccepted) {
      accepted_ = true;
      if (options_.lifetime == Lifetime::kOwn) co_return;
      continue;
    }
    // Whoever resumes a sandbox did not make it.
    if (is_new_) end("its creator went away");
    co_return;
  }
}

asio::awaitable<void> Monitor::watch_signals() {
  asio::signal_set signals(context_, SIGTERM, SIGINT);
  asio::error_code failed;
  const int number = co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, failed));
  if (!failed) crash(fmt::format("its monitor was stopped by signal {}", number));
}

// A sandbox whose state folder was removed cannot be reached any more, and its disk is gone.
asio::awaitable<void> Monitor::watch_folder() {
  auto watch = RemovalWatch::create(context_.get_executor(), life_->fd());
  Result<void> removed = watch ? Result<void>() : watch.error();
  if (watch) removed = co_await watch->wait();
  if (removed && !end_) {
    removed_ = true;
    end("its state folder was removed");
  } else if (!removed) {
    log_.debug("the state folder is not watched: {}", removed.error().message);
  }
}

asio::awaitable<void> Monitor::watch_machine() {
  const machine::MachineExit exit = co_await assembly_->machine().wait();
  crash(describe(exit));
}

asio::awaitable<void> Monitor::watch_agent() {
  const Error loss = co_await agent_->wait_lost();
  if (end_) co_return;
  log_.info("agent link: {}", loss.message);
  // A machine that ends takes the link with it, and knows better why.
  asio::steady_timer grace(context_, kExitGrace);
  co_await grace.async_wait(asio::use_awaitable);
  crash("the guest's agent does not answer any more");
}

}  // namespace tl::monitor
