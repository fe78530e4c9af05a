// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <thread>

#include <fmt/format.h>

#include "common/data_folders.hpp"
#include "common/io.hpp"
#include "runtime/machine/probe/verdict.hpp"
#include "runtime/monitor/control.hpp"
#include "runtime/sandbox/exec_request.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/machine_files.hpp"
#include "runtime/sandbox/stop_request.hpp"
#include "runtime/sandbox/template_key.hpp"
#include "runtime/sandbox/verdict_cache.hpp"
#include "runtime/snapshot/template_store.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/layered_disk.hpp"

// LocalRuntime::create. Who holds what, in order: registry.create() makes a Pending document, reserves the
// name and takes the life lock, all ours; the monitor, which has waited for it, gets the lock without a gap;
// until we accept() the sandbox it is a thing that either of us takes back, the monitor when we vanish, we
// when the monitor does.
namespace tl {
namespace {

using registry::SandboxRecord;

constexpr double kDefaultCpus = 1.0;

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
  if (request.cpus) {
    if (auto valid = check_cpus(*request.cpus); !valid) return valid;
  }
  if (request.memory_mb) {
    if (auto valid = check_memory_mb(*request.memory_mb, request.cpus.value_or(kDefaultCpus)); !valid)
      return valid;
  }
  if (request.disk_mb) {
    if (auto valid = check_disk_mb(*request.disk_mb); !valid) return valid;
  }
  for (const auto& word : request.entrypoint) {
    if (auto valid = check_text("entrypoint", word); !valid) return valid;
  }
  if (auto valid = check_network_policy(request.network); !valid) return valid;
  SandboxRecord nobody;
  if (auto valid = expose_ports(nobody, request.exposed_ports); !valid) return valid;
  if (auto valid = check_timeout_secs("timeout", request.timeout_secs); !valid) return valid;
  if (auto valid = check_timeout_secs("idle timeout", request.idle_timeout_secs); !valid) return valid;
  return {};
}

// As asked for, else as large as what it is made from.
Result<std::uint32_t> disk_for(const CreateRequest& request, std::uint32_t needed, const std::string& of) {
  const std::uint32_t disk_mb = request.disk_mb.value_or(needed);
  if (disk_mb >= needed) return disk_mb;
  return Error{ErrorCode::kOutOfRange, fmt::format("disk of {} MiB: {} needs {} MiB", disk_mb, of, needed),
               fmt::format("use --disk_mb {} or more", needed)};
}

SandboxRecord record_of(const CreateRequest& request) {
  SandboxRecord record;
  record.name = request.name;
  record.resources.cpus = request.cpus.value_or(kDefaultCpus);
  record.resources.memory_mb = request.memory_mb.value_or(default_memory_mb(record.resources.cpus));
  record.timeout_secs = request.timeout_secs;
  record.idle_timeout_secs = request.idle_timeout_secs;
  record.entrypoint = request.entrypoint;
  record.network = request.network;
  [[maybe_unused]] const auto checked = expose_ports(record, request.exposed_ports);
  return record;
}

std::vector<std::string> warnings_for(const SandboxRecord& record) {
  const unsigned host = std::thread::hardware_concurrency();
  if (host == 0 || record.resources.cpus <= host) return {};
  return {fmt::format("{} CPUs were asked for, this host has {}", record.resources.cpus, host)};
}

}  // namespace

Result<LocalRuntime::Draft> LocalRuntime::draft(const CreateRequest& request) {
  if (auto valid = check(request); !valid) return valid.error();
  return request.snapshot ? draft_of_snapshot(request, *request.snapshot) : draft_of_image(request);
}

Result<LocalRuntime::Draft> LocalRuntime::draft_of_image(const CreateRequest& request) {
  Draft draft;
  draft.record = record_of(request);
  const auto requested = to_machine(request.accelerator);
  auto accelerator = machine::choose_accelerator(requested, host_verdicts(registry_.folder(), requested));
  if (!accelerator) return accelerator.error();
  draft.record.accelerator = machine::accelerator_name(accelerator->accelerator);
  draft.cpu = std::move(accelerator->fingerprint);
  if (auto begun = begin_monitor(draft); !begun) return begun.error();
  const std::string name = request.image.value_or(storage::kDefaultImageName);
  const auto folders = data_folders();
  const auto store = storage::ImageStore::open(registry_.folder().path(), folders);
  if (!store) return store.error();
  const auto image = store->find(name);
  if (!image) return image.error();
  auto kernel = find_kernel(folders);
  if (!kernel) return kernel.error();
  const auto disk_mb =
      disk_for(request, std::max(kMinDiskMb, static_cast<std::uint32_t>(image->manifest.disk_mib)),
               "the image " + name);
  if (!disk_mb) return disk_mb.error();

  draft.record.image = name;
  draft.record.image_digest = image->manifest.digest;
  draft.record.resources.disk_mb = *disk_mb;
  draft.kernel = *std::move(kernel);
  draft.image = image->root_file;
  draft.config = image->manifest.config;
  if (request.template_use == TemplateUse::kWhenThere) look_for_template(draft);
  return draft;
}

// Only named things are compared, so two kernels or programs of the same name and another date are two.
void LocalRuntime::look_for_template(Draft& draft) {
  draft.template_key = template_key(draft.record, draft.kernel, draft.cpu);
  auto store = snapshot::TemplateStore::open(registry_.folder().path());
  if (!store) return;
  auto found = store->find(draft.template_key);
  if (!found) return;
  draft.origin = monitor::Origin::kTemplate;
  draft.source = found->pin.path();
  draft.template_details = std::move(found->details);
  draft.pin.emplace(std::move(found->pin));
}

Result<LocalRuntime::Draft> LocalRuntime::draft_of_snapshot(const CreateRequest& request,
                                                            const std::string& snapshot) {
  if (request.image)
    return Error{ErrorCode::kOutOfRange, "a snapshot has its own image: leave --image out", ""};
  auto found = find_snapshot(snapshot);
  if (!found) return found.error();
  const snapshot::SnapshotManifest* const manifest = &found->manifest;
  const bool warm = manifest->type == snapshot::SnapshotManifest::Type::kMemory;
  if (warm && (request.cpus || request.memory_mb || request.disk_mb)) {
    return Error{
        ErrorCode::kOutOfRange,
        fmt::format("snapshot {} is of a running machine, whose CPUs, memory and disk are fixed", snapshot),
        "leave --cpus, --memory and --disk_mb out, or use a filesystem snapshot"};
  }
  const auto disk_mb = disk_for(request, manifest->disk_mb, "the snapshot " + snapshot);
  if (!disk_mb) return disk_mb.error();

  SandboxRecord record = record_of(request);
  record.image = manifest->image;
  record.image_digest = manifest->image_digest;
  record.snapshot_id = manifest->snapshot_id;
  record.resources.disk_mb = *disk_mb;
  // Without a machine of its own it runs on whatever is best.
  if (warm || request.accelerator != AcceleratorChoice::kAuto) {
    const bool other = request.accelerator != AcceleratorChoice::kAuto &&
                       (request.accelerator == AcceleratorChoice::kKvm) != (manifest->accelerator == "kvm");
    if (warm && other) {
      return Error{
          ErrorCode::kOutOfRange,
          fmt::format("snapshot {} is of a {} machine and goes on as one", snapshot, manifest->accelerator),
          "leave --accel out"};
    }
    record.accelerator = warm                                             ? manifest->accelerator
                         : request.accelerator == AcceleratorChoice::kKvm ? "kvm"
                                                                          : "tcg";
  }
  if (warm) {
    record.resources.cpus = manifest->cpus;
    record.resources.memory_mb = manifest->memory_mb;
  }
  auto draft = draft_again(record);
  if (!draft) return draft;
  draft->origin = warm ? monitor::Origin::kCopy : monitor::Origin::kBoot;
  draft->source = found->path;
  if (found->pin) draft->pin.emplace(*std::move(found->pin));
  return draft;
}

Result<LocalRuntime::Draft> LocalRuntime::draft_again(const SandboxRecord& record) {
  const auto requested = record.accelerator.empty()    ? machine::AcceleratorRequest::kAuto
                         : record.accelerator == "kvm" ? machine::AcceleratorRequest::kKvm
                                                       : machine::AcceleratorRequest::kTcg;
  auto accelerator = machine::choose_accelerator(requested, host_verdicts(registry_.folder(), requested));
  if (!accelerator) return accelerator.error();
  Draft draft;
  draft.record = record;
  draft.record.accelerator = machine::accelerator_name(accelerator->accelerator);
  draft.cpu = std::move(accelerator->fingerprint);
  if (auto begun = begin_monitor(draft); !begun) return begun.error();
  const auto folders = data_folders();
  const auto store = storage::ImageStore::open(registry_.folder().path(), folders);
  if (!store) return store.error();
  const auto image = store->find_digest(record.image_digest);
  if (!image) return image.error();
  auto kernel = find_kernel(folders);
  if (!kernel) return kernel.error();
  draft.kernel = *std::move(kernel);
  draft.image = image->root_file;
  draft.config = image->manifest.config;
  return draft;
}

// As early as can be: a process, and on kvm a VM, take longer than all that is done meanwhile.
Result<void> LocalRuntime::begin_monitor(Draft& draft) {
  if (draft.record.sandbox_id.empty()) draft.record.sandbox_id = registry_.new_id();
  auto begun = monitor::Launch::begin({.home = registry_.folder().path().string(),
                                       .sandbox_id = draft.record.sandbox_id,
                                       .accelerator = draft.record.accelerator,
                                       .debug = options_.debug});
  if (!begun) return begun.error();
  draft.monitor.emplace(*std::move(begun));
  return {};
}

Result<monitor::LaunchSpec> LocalRuntime::orders(const Draft& draft, registry::LifeLock life,
                                                 const UniqueFd& work, const CreateRequest& request) {
  auto log = open_at(work.get(), registry::layout::kMonitorLog, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (!log) return log.error();
  auto listener = monitor::listen_control(work.get());
  if (!listener) return listener.error();

  monitor::LaunchSpec spec;
  spec.record = draft.record;
  spec.kernel = draft.kernel.string();
  spec.image = draft.image.string();
  spec.cpu = draft.cpu;
  spec.origin = draft.origin;
  spec.template_key = draft.template_key;
  spec.template_details = draft.template_details;
  if (draft.origin == monitor::Origin::kBoot && !spec.template_key.empty()) {
    if (const auto first = warm_up_request(draft.config)) spec.warm_up = guest::encode(*first);
  }
  const bool own = !draft.record.entrypoint.empty();
  if (own || request.image_entrypoint == ImageEntrypoint::kStart) {
    const auto entrypoint = entrypoint_request(draft.record.entrypoint, draft.config);
    if (!entrypoint) return entrypoint.error();
    if (*entrypoint) spec.entrypoint = guest::encode(**entrypoint);
  }
  spec.life_lock = std::move(life).release();
  spec.listener = *std::move(listener);
  spec.log = *std::move(log);
  spec.lifetime =
      request.lifetime == SandboxLifetime::kCreators ? monitor::Lifetime::kCreators : monitor::Lifetime::kOwn;
  return spec;
}

Result<SandboxRecord> LocalRuntime::bring_up(const std::string& id, monitor::Launch& launch,
                                             monitor::LaunchSpec orders, const CreateRequest& request) {
  if (auto begun = launch.go(std::move(orders)); !begun) return begun.error();
  if (request.wait == CreateWait::kReady) {
    if (auto ready = launch.wait_ready(request.signals); !ready) return ready.error();
  }
  if (auto accepted = launch.accept(); !accepted) return accepted.error();
  return registry_.read(id);
}

Result<Created> LocalRuntime::create(const CreateRequest& request, const Progress& progress) {
  auto drafted = draft(request);
  if (!drafted) return drafted.error();
  const bool from_template = drafted->origin == monitor::Origin::kTemplate;
  const std::string template_key = drafted->template_key;
  auto created = create_from(*std::move(drafted), request, progress);
  if (created || !from_template) return created;
  // Given up, or the request's own fault: nothing is wrong with the template.
  const ErrorCode code = created.error().code;
  if (code == ErrorCode::kConflict || code == ErrorCode::kOutOfRange || is_asked_to_stop(request.signals))
    return created;
  // A template can always be made anew.
  if (auto store = snapshot::TemplateStore::open(registry_.folder().path())) {
    [[maybe_unused]] const auto removed = store->remove(template_key);
  }
  CreateRequest again = request;
  again.template_use = TemplateUse::kNever;
  drafted = draft(again);
  if (!drafted) return drafted.error();
  drafted->template_key = template_key;
  return create_from(*std::move(drafted), again, progress);
}

Result<Created> LocalRuntime::create_from(Draft draft, const CreateRequest& request,
                                          const Progress& progress) {
  const std::string foreseen = draft.record.sandbox_id;
  auto made = registry_.create(std::move(draft.record));
  if (!made) return made.error();
  draft.record = made->record;
  const std::string id = made->record.sandbox_id;
  if (progress) progress("starting the machine");
  Result<SandboxRecord> record = start_made(draft, foreseen, *std::move(made), request);
  if (!record) {
    draft.monitor->give_up();
    [[maybe_unused]] const auto gone = registry_.abandon(id);  // done already, unless the monitor was killed
    return record.error();
  }
  if (request.lifetime == SandboxLifetime::kCreators) companions_.emplace(id, *std::move(draft.monitor));
  Created created{{*std::move(record), std::nullopt}, {}};
  created.warnings = warnings_for(created.sandbox.record);
  return created;
}

Result<SandboxRecord> LocalRuntime::start_made(Draft& draft, const std::string& foreseen,
                                               registry::Registry::Created made,
                                               const CreateRequest& request) {
  // Somebody had that ID.
  if (made.record.sandbox_id != foreseen) {
    if (auto begun = begin_monitor(draft); !begun) return begun.error();
  }
  auto its = orders(draft, std::move(made.life), made.work, request);
  if (!its) return its.error();
  const auto furnished = furnish(draft);
  draft.pin.reset();
  if (!furnished) return furnished.error();
  return bring_up(made.record.sandbox_id, *draft.monitor, *std::move(its), request);
}

// By links: what a sandbox shares with its source is the host's to count.
Result<void> LocalRuntime::furnish(const Draft& draft) {
  if (draft.source.empty()) return {};
  const auto work = registry_.work_path(draft.record.sandbox_id);
  const Durability durability = draft.record.name ? Durability::kSynced : Durability::kLazy;
  const storage::DiskSpec disk{{draft.image, draft.record.image_digest},
                               storage::kDiskDeviceBytes,
                               std::uint64_t{draft.record.resources.disk_mb} << 20,
                               durability};
  const auto made = storage::LayeredDisk::create_from(work / registry::layout::kDisk,
                                                      draft.source / registry::layout::kDisk, disk);
  if (!made) return made.error();
  if (draft.origin == monitor::Origin::kBoot) return {};
  return link_machine(draft.source / registry::layout::kMachine, work / registry::layout::kMachine,
                      std::uint64_t{draft.record.resources.memory_mb} << 20, durability);
}

}  // namespace tl
