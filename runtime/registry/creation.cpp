// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/check.hpp"
#include "runtime/registry/document.hpp"
#include "runtime/registry/registry.hpp"

// The beginnings of a sandbox and of its names; registry.cpp says how they survive a crash.
namespace tl::registry {
namespace {

// Each round but the last was lost to somebody who took the very name or ID within the same microseconds.
constexpr int kRounds = 16;

Error name_taken(const std::string& name, const std::string& holder) {
  return Error{ErrorCode::kConflict, fmt::format("the name {} is taken by sandbox {}", name, holder),
               fmt::format("choose another name, or end that sandbox: `tl sbx terminate {}`", name)};
}

Result<void> check_name_shape(const std::string& name) {
  if (is_sandbox_name(name)) return {};
  return Error{ErrorCode::kOutOfRange, fmt::format("\"{}\" is not a sandbox name", name),
               "a name starts with a lowercase letter and has at most 63 of a-z, 0-9 and -"};
}

}  // namespace

Result<Registry::Created> Registry::create(SandboxRecord draft) {
  draft.status = SandboxState::kPending;
  draft.created_at = now();
  for (int round = 0; round < kRounds; ++round) {
    if (draft.name) {
      if (auto free = check_name_free(*draft.name); !free) return free.error();
    }
    if (round > 0 || draft.sandbox_id.empty()) draft.sandbox_id = ids_();
    TL_CHECK(is_sandbox_id(draft.sandbox_id));
    auto created = try_create(draft);
    if (!created) return created.error();
    if (*created) return std::move(**created);
  }
  return Error{ErrorCode::kConflict, "the name or the ID is contended", "try again"};
}

Result<std::optional<Registry::Created>> Registry::try_create(SandboxRecord draft) {
  const std::string id = draft.sandbox_id;
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  if (documents_.exists(id)) return std::optional<Created>();
  if (::mkdirat(work_.get(), id.c_str(), 0700) != 0) {
    if (errno == EEXIST) return std::optional<Created>();
    return errno_error("make " + work_path(id).string());
  }
  const auto name = draft.name;
  auto created = furnish(std::move(draft));
  if (created && *created) return created;
  if (name) {
    const auto names_lock = lock_names();
    if (names_lock) {
      [[maybe_unused]] const auto freed = names_.release(*name, id);
    }
  }
  [[maybe_unused]] const auto removed = remove_work(id);
  return created;
}

// In the new work folder: life lock, name, document, in this order.
Result<std::optional<Registry::Created>> Registry::furnish(SandboxRecord draft) {
  auto work = open_work(draft.sandbox_id);
  if (!work) return work.error();
  auto life = LifeLock::take(work->get());
  if (!life) return life.error();
  if (draft.name) {
    const auto reserved = names_.reserve(*draft.name, draft.sandbox_id);
    if (!reserved) return reserved.error();
    if (!*reserved) return std::optional<Created>();
  }
  const auto text = format_document(draft);
  if (!text) return text.error();
  // A power failure ends a Pending sandbox, with or without its document.
  auto written = documents_.write(draft.sandbox_id, *text, Durability::kLazy);
  if (!written) return written.error();
  return std::optional(Created{std::move(draft), *std::move(life), *std::move(work)});
}

Result<void> Registry::abandon(const std::string& id) {
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  const auto loaded = load(id);
  if (!loaded) return loaded.error();
  // The document first: without it the rest is debris, while a document without its folder would be a riddle.
  if (auto removed = documents_.remove(id); !removed) return removed.error();
  return clear_away(loaded->record);
}

Result<void> Registry::check_name_free(const std::string& name) {
  if (auto shaped = check_name_shape(name); !shaped) return shaped.error();
  const auto holder = names_.holder(name);
  if (!holder) return holder.error();
  if (!*holder) return {};
  // Reading corrects a holder whose monitor has died, which may free the name.
  if (!(*holder)->empty()) {
    [[maybe_unused]] const auto corrected = read(**holder);
  }
  const auto lock = lock_names();
  if (!lock) return lock.error();
  const auto present = names_.holder(name);
  if (!present) return present.error();
  if (!*present) return {};
  if (!is_stale(name, **present)) return name_taken(name, **present);
  return names_.release(name, **present);
}

bool Registry::is_stale(const std::string& name, const std::string& holder) const {
  if (holder.empty()) return true;
  // In this order: a creator is alive from before its reservation until after its document, so one that is
  // neither alive nor has a document, looked at afterwards, is no creator.
  const bool alive = is_alive(holder);
  const auto raw = documents_.read(holder);
  if (!raw) return raw.error().code == ErrorCode::kNotFound && !alive;
  const auto parsed = parse_document(holder, raw->text);
  const auto* record = std::get_if<SandboxRecord>(&parsed);
  if (record == nullptr) return false;  // unreadable for us, so the name may well be its own
  return record->name != name || record->status == SandboxState::kTerminated;
}

Result<bool> Registry::take_name(const std::string& name, const std::string& id) {
  const auto holder = names_.holder(name);
  if (!holder) return holder.error();
  if (*holder && **holder == id) return true;  // from a rename that was killed
  if (*holder) {
    if (!is_stale(name, **holder)) return false;
    if (auto freed = names_.release(name, **holder); !freed) return freed.error();
  }
  return names_.reserve(name, id);
}

Result<SandboxRecord> Registry::rename(const std::string& id, const std::string& new_name) {
  if (auto shaped = check_name_shape(new_name); !shaped) return shaped.error();
  const auto holder = names_.holder(new_name);
  if (!holder) return holder.error();
  if (*holder && **holder != id) {
    if (auto free = check_name_free(new_name); !free) return free.error();
  }
  const auto lock = lock_record(id);
  if (!lock) return lock.error();
  const auto before = load(id);
  if (!before) return before.error();
  if (before->record.status == SandboxState::kTerminated) {
    return Error{ErrorCode::kConflict, "the sandbox is Terminated, which is final: it cannot be renamed", ""};
  }
  if (before->record.name == new_name) return before->record;
  SandboxRecord after = before->record;
  after.name = new_name;

  // Held to the end: until the document carries the new name, the reservation looks stale to others.
  const auto names_lock = lock_names();
  if (!names_lock) return names_lock.error();
  const auto taken = take_name(new_name, id);
  if (!taken) return taken.error();
  if (!*taken) {
    const auto winner = names_.holder(new_name);
    return name_taken(new_name, winner && *winner ? **winner : "");
  }
  Result<void> done = names_.sync();
  if (done) {
    if (auto saved = save(*before, after, durability_of(after)); !saved) done = saved.error();
  }
  const std::optional<std::string> to_free = done ? before->record.name : new_name;
  if (to_free) {
    if (auto freed = names_.release(*to_free, id); !freed && done) return freed.error();
  }
  if (!done) return done.error();
  return after;
}

}  // namespace tl::registry
