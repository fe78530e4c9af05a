// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <thread>

#include <fmt/format.h>

#include "common/data_folders.hpp"
#include "common/io.hpp"
#include "runtime/machine/probe/verdict.hpp"
#include "runtime/monitor/control.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/verdict_cache.hpp"
#include "runtime/storage/image_store.hpp"

// LocalRuntime::create. Who holds what, in order: registry.create() makes a Pending document, reserves the
// name and takes the life lock, all ours; the monitor inherits the lock without a gap; until we accept() the
// sandbox it is a thing that either of us takes back, the monitor when we vanish, we when the monitor does.
namespace tl {
namespace {

using registry::SandboxRecord;

machine::AcceleratorRequest to_machine(AcceleratorChoice choice) {
  switch (choice) {
    case AcceleratorChoice::kKvm:
      return machine::AcceleratorRequest::kKvm;
    case AcceleratorChoice::kTcg:
      return machine::AcceleratorRequest::kTcg;
    case AcceleratorChoice::kAuto:
      break;
  }
  return machine::AcceleratorRequest::kAuto;
}

Result<void> check(const CreateRequest& request) {
  if (request.name) {
    if (auto valid = check_name(*request.name); !valid) return valid;
  }
  if (auto valid = check_cpus(request.cpus); !valid) return valid;
  if (request.memory_mb) {
    if (auto valid = check_memory_mb(*request.memory_mb, request.cpus); !valid) return valid;
  }
  if (request.disk_mb) {
    if (auto valid = check_disk_mb(*request.disk_mb); !valid) return valid;
  }
  for (const auto& word : request.entrypoint) {
    if (auto valid = check_text("entrypoint", word); !valid) return valid;
  }
  if (auto valid = check_timeout_secs("timeout", request.timeout_secs); !valid) return valid;
  if (request.name && request.timeout_secs != 0) {
    return Error{ErrorCode::kFailure,
                 "a named sandbox's timeout suspends it, and this version cannot suspend yet",
                 "leave the name out, and the timeout terminates the sandbox"};
  }
  if (request.idle_timeout_secs != 0) {
    return Error{ErrorCode::kFailure, "this version has no idle timeout yet", "use --timeout"};
  }
  return {};
}

// As asked for, else as large as the image needs.
Result<std::uint32_t> disk_for(const CreateRequest& request, const storage::Image& image) {
  const auto needed = std::max(kMinDiskMb, static_cast<std::uint32_t>(image.manifest.disk_mib));
  const std::uint32_t disk_mb = request.disk_mb.value_or(needed);
  if (disk_mb >= needed) return disk_mb;
  return Error{ErrorCode::kOutOfRange,
               fmt::format("disk of {} MiB: the image {} needs {} MiB", disk_mb, image.name, needed),
               fmt::format("use --disk_mb {} or more", needed)};
}

std::vector<std::string> warnings_for(const SandboxRecord& record) {
  const unsigned host = std::thread::hardware_concurrency();
  if (host == 0 || record.resources.cpus <= host) return {};
  return {fmt::format("{} CPUs were asked for, this host has {}", record.resources.cpus, host)};
}

}  // namespace

Result<LocalRuntime::Draft> LocalRuntime::draft(const CreateRequest& request) {
  if (auto valid = check(request); !valid) return valid.error();
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto image = store->find(request.image);
  if (!image) return image.error();
  auto kernel = find_kernel();
  if (!kernel) return kernel.error();
  const auto requested = to_machine(request.accelerator);
  const auto accelerator =
      machine::choose_accelerator(requested, host_verdicts(registry_.folder(), requested));
  if (!accelerator) return accelerator.error();

  const auto disk_mb = disk_for(request, *image);
  if (!disk_mb) return disk_mb.error();

  SandboxRecord record;
  record.name = request.name;
  record.image = request.image;
  record.image_digest = image->manifest.digest;
  record.resources.cpus = request.cpus;
  record.resources.memory_mb = request.memory_mb.value_or(default_memory_mb(request.cpus));
  record.resources.disk_mb = *disk_mb;
  record.timeout_secs = request.timeout_secs;
  record.entrypoint = request.entrypoint;
  record.network.no_internet = true;
  record.accelerator = machine::accelerator_name(accelerator->accelerator);
  return Draft{std::move(record), *std::move(kernel), image->root_file};
}

Result<monitor::Launch> LocalRuntime::launch(const Draft& draft, registry::LifeLock life,
                                             const CreateRequest& request) {
  const std::string& id = draft.record.sandbox_id;
  const auto work = registry_.open_work(id);
  if (!work) return work.error();
  auto log = open_at(work->get(), registry::layout::kMonitorLog, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (!log) return log.error();
  auto listener = monitor::listen_control(work->get());
  if (!listener) return listener.error();

  monitor::LaunchSpec spec;
  spec.home = registry_.folder().path().string();
  spec.record = draft.record;
  spec.kernel = draft.kernel.string();
  spec.image = draft.image.string();
  spec.life_lock = std::move(life).release();
  spec.listener = *std::move(listener);
  spec.log = *std::move(log);
  spec.debug = options_.debug;
  spec.lifetime =
      request.lifetime == SandboxLifetime::kCreators ? monitor::Lifetime::kCreators : monitor::Lifetime::kOwn;
  return monitor::Launch::start(std::move(spec));
}

Result<SandboxRecord> LocalRuntime::wait_running(const std::string& id, monitor::Launch& launch,
                                                 const CreateRequest& request) {
  if (request.wait == CreateWait::kReady) {
    if (auto ready = launch.wait_ready(request.signals); !ready) return ready.error();
  }
  if (auto accepted = launch.accept(); !accepted) return accepted.error();
  return registry_.read(id);
}

Result<Created> LocalRuntime::create(const CreateRequest& request, const Progress& progress) {
  const auto report = [&progress](std::string_view step) {
    if (progress) progress(step);
  };
  auto drafted = draft(request);
  if (!drafted) return drafted.error();
  auto made = registry_.create(std::move(drafted->record));
  if (!made) return made.error();
  drafted->record = made->record;
  const std::string id = made->record.sandbox_id;

  report("starting the machine");
  auto started = launch(*drafted, std::move(made->life), request);
  if (!started) {
    [[maybe_unused]] const auto gone = registry_.abandon(id);
    return started.error();
  }
  auto record = wait_running(id, *started, request);
  if (!record) {
    started->give_up();
    [[maybe_unused]] const auto gone = registry_.abandon(id);  // done already, unless the monitor was killed
    return record.error();
  }
  if (request.lifetime == SandboxLifetime::kCreators) companions_.emplace(id, *std::move(started));
  Created created{{*std::move(record), std::nullopt}, {}};
  created.warnings = warnings_for(created.sandbox.record);
  return created;
}

}  // namespace tl
