// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/registry.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/check.hpp"
#include "runtime/registry/document.hpp"

// How a crash at any point is survived.
//
// The documents are the truth; names/ and work/ follow them. What a sandbox needs is made before its document
// says so and removed after its document no longer does, so a crash in between only ever leaves too much: a
// name whose sandbox does not carry it (stale, replaced by the next who wants it) or a work folder without a
// living sandbox. list() sweeps both.
//
// Record lock (one of 36 files in locks/, by the first character of the ID, never deleted: unlinking a lock
// file lets two hold "the" lock): held for every change of a document, and by the sweeper, so that it cannot
// take a sandbox in the making for debris. Names lock (locks/names): held to take a name away from anybody,
// stale or not. Giving a free name out needs no lock, symlink(2) is atomic; a reservation whose document is
// not there yet is told from a stale one by its life lock, which is taken before. Order: record lock, then
// names lock, never two record locks.
namespace tl::registry {
namespace {

constexpr const char* kNamesLock = "names";

Error no_such_name(const std::string& name) {
  return Error{ErrorCode::kNotFound, "no sandbox is called " + name, "`tl sbx ls` lists the sandboxes"};
}

void stamp_times(const SandboxRecord& before, SandboxRecord& after) {
  using enum SandboxState;
  const bool started = before.status == kPending || before.status == kSuspended;
  if (after.status == kRunning && started) {
    after.running_since = now();
    after.reason.clear();
  }
  if (after.status == kTerminated) after.ended_at = now();
  if (!needs_monitor(after.status)) after.monitor_pid = 0;
}

}  // namespace

Registry::Registry(StateFolder folder, DocumentFolder documents, NameTable names, UniqueFd locks,
                   UniqueFd work, IdSource ids)
    : folder_(std::move(folder)),
      documents_(std::move(documents)),
      names_(std::move(names)),
      locks_(std::move(locks)),
      work_(std::move(work)),
      ids_(std::move(ids)) {}

Result<Registry> Registry::open(StateFolder folder, IdSource ids) {
  auto sandboxes = folder.make_folder(layout::kSandboxes);
  if (!sandboxes) return sandboxes.error();
  auto names = folder.make_folder(layout::kNames);
  if (!names) return names.error();
  auto locks = folder.make_folder(layout::kLocks);
  if (!locks) return locks.error();
  auto work = folder.make_folder(layout::kWork);
  if (!work) return work.error();
  DocumentFolder documents(*std::move(sandboxes), folder.path());
  return Registry(std::move(folder), std::move(documents), NameTable(*std::move(names)), *std::move(locks),
                  *std::move(work), std::move(ids));
}

Result<FileLock> Registry::lock_record(const std::string& id) const {
  if (!is_sandbox_id(id)) return no_such_sandbox(id);
  return FileLock::acquire(locks_.get(), id.substr(0, 1));
}

Result<FileLock> Registry::lock_names() const {
  return FileLock::acquire(locks_.get(), kNamesLock);
}

bool Registry::is_alive(const std::string& id) const {
  return is_sandbox_id(id) && LifeLock::is_held(work_.get(), id);
}

bool Registry::is_dead(const SandboxRecord& record) const {
  return needs_monitor(record.status) && !is_alive(record.sandbox_id);
}

std::filesystem::path Registry::work_path(const std::string& id) const {
  return registry::work_path(folder_.path(), id);
}

Result<UniqueFd> Registry::open_work(const std::string& id) const {
  if (!is_sandbox_id(id)) return no_such_sandbox(id);
  return folder_.open_file(fmt::format("{}/{}", layout::kWork, id), O_RDONLY | O_DIRECTORY);
}

Result<LifeLock> Registry::take_life(const std::string& id) {
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  const auto work = open_work(id);
  if (!work) return work.error();
  return LifeLock::take(work->get());
}

Result<LifeLock> Registry::adopt_life(const std::string& id, UniqueFd passed) {
  const auto work = open_work(id);
  if (!work) return work.error();
  return LifeLock::adopt(work->get(), std::move(passed));
}

Result<Registry::Loaded> Registry::load(const std::string& id, ProblemDocument* problem) {
  ProblemDocument unused;
  ProblemDocument& trouble = problem != nullptr ? *problem : unused;
  trouble = {id, documents_.path_of(id), ""};
  auto raw = documents_.read(id);
  if (!raw) {
    trouble.reason = raw.error().message;
    return raw.error();
  }
  auto parsed = raw->flaw.empty() ? parse_document(id, raw->text) : DamagedDocument{raw->flaw};
  if (const auto* newer = std::get_if<NewerDocument>(&parsed)) {
    trouble.reason = fmt::format("it was written by a newer tl (schema {}, this one knows {})", newer->schema,
                                 kSchema.text());
    return Error{ErrorCode::kFailure, fmt::format("sandbox {}: {}", id, trouble.reason),
                 "use the newer tl for this sandbox"};
  }
  if (const auto* damaged = std::get_if<DamagedDocument>(&parsed)) {
    trouble.reason = damaged->reason;
    const auto place = documents_.set_aside(id, damaged->reason);
    if (!place) return place.error();
    trouble.path = *place;
    return Error{ErrorCode::kFailure,
                 fmt::format("sandbox {}: its document is damaged: {}", id, damaged->reason),
                 fmt::format("it was set aside as {}; what belongs to the sandbox stays in {}",
                             place->string(), work_path(id).string())};
  }
  Loaded loaded{std::get<SandboxRecord>(std::move(parsed)), std::move(raw->text)};
  if (is_dead(loaded.record)) return correct_dead(loaded);
  return loaded;
}

Durability Registry::durability_of(const SandboxRecord& record) {
  return record.name ? Durability::kSynced : Durability::kLazy;
}

Registry::Loaded Registry::correct_dead(const Loaded& dead) {
  SandboxRecord corrected = dead.record;
  const auto after = after_monitor_death(dead.record.status, dead.record.kind());
  corrected.status = after.state;
  corrected.reason = after.reason;
  stamp_times(dead.record, corrected);
  // Whether or not the disk takes it, this is what is true; the next reader would come to the same.
  auto saved = save(dead, corrected, Durability::kLazy);
  if (!saved) return {std::move(corrected), dead.text};
  if (corrected.status == SandboxState::kTerminated) {
    [[maybe_unused]] const auto left_to_the_sweeper = clear_away(corrected);
  }
  return *std::move(saved);
}

Result<Registry::Loaded> Registry::save(const Loaded& before, SandboxRecord after, Durability durability) {
  auto text = format_document(after, before.text);
  if (!text) return text.error();
  auto written = documents_.write(after.sandbox_id, *text, durability);
  if (!written && written.error().code == ErrorCode::kHostLacks &&
      after.status == SandboxState::kTerminated) {
    spare_room(after.sandbox_id);
    written = documents_.write(after.sandbox_id, *text, durability);
  }
  if (!written) return written.error();
  return Loaded{std::move(after), *std::move(text)};
}

// On a full disk, what a sandbox that ends can do without gives the room for the words that say so: even when
// they cannot be written all the same, its disk is there.
void Registry::spare_room(const std::string& id) const {
  std::error_code ignored;
  // Its monitor, or we, may still have them open: what is only removed would take its room until then.
  for (const char* name : {layout::kMonitorLog, layout::kConsoleLog})
    std::filesystem::resize_file(work_path(id) / name, 0, ignored);
  std::filesystem::remove_all(work_path(id) / layout::kMachine, ignored);
}

// Whatever a Terminated sandbox no longer needs. Harmless when there is nothing.
Result<void> Registry::clear_away(const SandboxRecord& record) {
  if (record.name) {
    const auto lock = lock_names();
    if (!lock) return lock.error();
    if (auto freed = names_.release(*record.name, record.sandbox_id); !freed) return freed.error();
  }
  return remove_work(record.sandbox_id);
}

Result<void> Registry::remove_work(const std::string& id) const {
  std::error_code ec;
  std::filesystem::remove_all(work_path(id), ec);
  if (ec) return errno_error(ec.value(), "remove " + work_path(id).string());
  return {};
}

Result<SandboxRecord> Registry::read(const std::string& id) {
  if (!is_sandbox_id(id)) return no_such_sandbox(id);
  const auto raw = documents_.read(id);
  if (!raw) return raw.error();
  if (raw->flaw.empty()) {
    auto parsed = parse_document(id, raw->text);
    auto* record = std::get_if<SandboxRecord>(&parsed);
    if (record != nullptr && !is_dead(*record)) return std::move(*record);
  }
  // Something is to be put right, if it still is so under the lock.
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  auto loaded = load(id);
  if (!loaded) return loaded.error();
  return std::move(loaded->record);
}

Result<SandboxRecord> Registry::find(const std::string& id_or_name) {
  if (is_sandbox_id(id_or_name)) return read(id_or_name);
  if (!is_sandbox_name(id_or_name)) return no_such_name(id_or_name);
  const auto holder = names_.holder(id_or_name);
  if (!holder) return holder.error();
  if (!*holder || (*holder)->empty()) return no_such_name(id_or_name);
  auto record = read(**holder);
  if (!record && record.error().code == ErrorCode::kNotFound) return no_such_name(id_or_name);
  if (!record) return record.error();
  const bool stale = record->name != id_or_name || record->status == SandboxState::kTerminated;
  if (stale) return no_such_name(id_or_name);
  return record;
}

Result<std::string> Registry::resolve(const std::string& id_or_name) {
  auto record = find(id_or_name);
  if (!record) return record.error();
  return std::move(record->sandbox_id);
}

Result<SandboxRecord> Registry::update(const std::string& id, const Mutator& mutator) {
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  const auto before = load(id);
  if (!before) return before.error();
  SandboxRecord after = before->record;
  if (auto done = mutator(after); !done) return done.error();
  TL_CHECK(after.sandbox_id == id && after.name == before->record.name);
  const bool moves = after.status != before->record.status;
  if (moves) {
    auto legal = check_transition(before->record.status, after.status, after.kind());
    if (!legal) return legal.error();
    stamp_times(before->record, after);
  }
  if (after != before->record) {
    const bool first_start = moves && before->record.status == SandboxState::kPending;
    if (first_start && after.name) {  // the reservation must not be lost to a power failure either
      if (auto synced = names_.sync(); !synced) return synced.error();
    }
    auto saved = save(*before, after, durability_of(after));
    if (!saved) return saved.error();
  }
  if (after.status == SandboxState::kTerminated) {
    if (auto cleared = clear_away(after); !cleared) return cleared.error();
  }
  return after;
}

Result<SandboxRecord> Registry::terminate(const std::string& id, const std::string& reason) {
  return update(id, [&](SandboxRecord& record) -> Result<void> {
    if (record.status == SandboxState::kTerminated) return {};
    record.status = SandboxState::kTerminated;
    record.reason = reason;
    return {};
  });
}

Result<SandboxRecord> Registry::lose_machine(const std::string& id, const std::string& reason) {
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  const auto before = load(id);
  if (!before) return before.error();
  SandboxRecord after = before->record;
  if (!needs_monitor(after.status)) return after;
  const auto [state, why] = after_monitor_death(after.status, after.kind());
  after.status = state;
  after.reason = state == SandboxState::kSuspended ? fmt::format("{}: {}", why, reason) : reason;
  after.monitor_pid = 0;
  stamp_times(before->record, after);
  auto saved = save(*before, after, durability_of(after));
  if (!saved) return saved.error();
  if (state == SandboxState::kTerminated) {
    if (auto cleared = clear_away(after); !cleared) return cleared.error();
  }
  return after;
}

Result<void> Registry::remove(const std::string& id) {
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  const auto loaded = load(id);
  if (!loaded) return loaded.error();
  if (loaded->record.status != SandboxState::kTerminated) {
    return Error{ErrorCode::kConflict, fmt::format("sandbox {} is {}", id, state_name(loaded->record.status)),
                 fmt::format("end it first: `tl sbx terminate {}`", id)};
  }
  if (auto cleared = clear_away(loaded->record); !cleared) return cleared.error();
  return documents_.remove(id);
}

}  // namespace tl::registry
