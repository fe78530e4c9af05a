// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/file_lock.hpp"
#include "common/result.hpp"
#include "runtime/registry/document_folder.hpp"
#include "runtime/registry/identifier.hpp"
#include "runtime/registry/life_lock.hpp"
#include "runtime/registry/names.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/registry/record.hpp"
#include "runtime/registry/record_index.hpp"

namespace tl::registry {

enum class ListFilter { kNotTerminated, kAll, kRunning, kSuspended };

// A document that list() could make nothing of: damaged and set aside, unreadable, or of a newer tl.
struct ProblemDocument {
  std::string sandbox_id;
  std::filesystem::path path;  // where it is now
  std::string reason;          // one sentence
};

struct Listing {
  std::vector<SandboxRecord> records;  // newest first
  std::size_t hidden_terminated = 0;   // Terminated ones that the filter left out
  std::vector<ProblemDocument> problems;
};

// All sandboxes of a state folder, shared with any number of other processes. Records are told as they truly
// are: one whose monitor has died is corrected, in the result and on disk, by whoever reads it first (see
// after_monitor_death), and what ended sandboxes left behind is removed by list().
//
// One thread. Calls block for file I/O and for the locks, which are held for one change of one document. A
// mutator runs with its record locked and must not call the registry.
//
// Which writes wait for the disk: those that change a named sandbox once it has run, since its disk must be
// found again after a power failure. An ephemeral one does not survive that anyway, nor does one that is
// still Pending, so creating and ending an ephemeral sandbox syncs nothing; creating a named one syncs when
// it becomes Running.
class Registry {
 public:
  using IdSource = std::function<std::string()>;
  using Mutator = std::function<Result<void>(SandboxRecord&)>;

  static Result<Registry> open(StateFolder folder, IdSource ids = new_sandbox_id);

  // For create(): an ID that nobody has, but for one that is made in the same moment.
  [[nodiscard]] std::string new_id() const { return ids_(); }

  // A new Pending sandbox from a draft whose status and times are filled in here, and its ID, unless it has
  // one that is free. Its name is reserved, its work folder made, its life lock taken before anybody can see
  // it. kConflict when the name is taken; nothing is left behind then, nor when the process dies at any
  // point.
  struct Created {
    SandboxRecord record;
    LifeLock life;
    UniqueFd work;  // open_work()
  };
  Result<Created> create(SandboxRecord draft);

  // Takes a sandbox whose start was given up back out of the world, record and all, whatever its state: it
  // may have become Running in the same moment, or have been found dead by somebody since. For those who made
  // it, before anybody was told of it; its machine must have ended.
  Result<void> abandon(const std::string& id);

  // By ID or by name; kNotFound. A terminated sandbox is found by its ID only.
  Result<SandboxRecord> find(const std::string& id_or_name);
  Result<std::string> resolve(const std::string& id_or_name);
  Result<SandboxRecord> read(const std::string& id);
  Result<Listing> list(ListFilter filter);

  // Changes a record: all but its ID and name. A new status is checked against the legal transitions
  // (kConflict), its times (running_since, ended_at) are set here. Becoming Terminated frees the name and
  // removes the work folder.
  Result<SandboxRecord> update(const std::string& id, const Mutator& mutator);
  // kConflict when the name is taken or the sandbox Terminated. The old name is free afterwards.
  Result<SandboxRecord> rename(const std::string& id, const std::string& new_name);
  // For the monitor, after its machine has ended, or for anybody when there is no monitor (Suspended).
  // Success when it was terminated before, with the old reason.
  Result<SandboxRecord> terminate(const std::string& id, const std::string& reason);
  // For the monitor of a machine that ended though nobody had asked for it: what readers would make of the
  // record once they find the monitor dead (after_monitor_death), at once and with the reason. Of a sandbox
  // without a machine nothing changes.
  Result<SandboxRecord> lose_machine(const std::string& id, const std::string& reason);
  // Forgets a Terminated sandbox (prune); kConflict for others.
  Result<void> remove(const std::string& id);

  // Whether a monitor, or a creator until there is one, holds the life lock.
  [[nodiscard]] bool is_alive(const std::string& id) const;
  // For starting a monitor for an existing (Suspended) sandbox; kConflict when one is alive.
  Result<LifeLock> take_life(const std::string& id);
  // For the monitor itself, with the descriptor it inherited.
  Result<LifeLock> adopt_life(const std::string& id, UniqueFd passed);

  [[nodiscard]] const StateFolder& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path work_path(const std::string& id) const;
  // A Unix socket's address holds 107 bytes: with this one open, "/proc/self/fd/N/control.sock" always fits.
  [[nodiscard]] Result<UniqueFd> open_work(const std::string& id) const;

 private:
  // A record with the document it was read from; made with the record lock held.
  struct Loaded {
    SandboxRecord record;
    std::string text;
  };
  Registry(StateFolder folder, DocumentFolder documents, NameTable names, UniqueFd locks, UniqueFd work,
           IdSource ids);

  [[nodiscard]] Result<FileLock> lock_record(const std::string& id) const;
  [[nodiscard]] Result<FileLock> lock_names() const;

  // With the record lock held. What comes of a document that cannot be used is told in `problem` too.
  Result<Loaded> load(const std::string& id, ProblemDocument* problem = nullptr);
  Result<Loaded> save(const Loaded& before, SandboxRecord after, Durability durability);
  // See the class comment.
  [[nodiscard]] static Durability durability_of(const SandboxRecord& record);
  Loaded correct_dead(const Loaded& dead);
  Result<void> clear_away(const SandboxRecord& record);
  void spare_room(const std::string& id) const;
  [[nodiscard]] Result<void> remove_work(const std::string& id) const;

  // nullopt: the ID or the name turned out to be taken, try again.
  Result<std::optional<Created>> try_create(SandboxRecord draft);
  Result<std::optional<Created>> furnish(SandboxRecord draft);
  // With the names lock held; false when somebody else has it.
  Result<bool> take_name(const std::string& name, const std::string& id);
  // Without any lock: kConflict when the name belongs to somebody.
  Result<void> check_name_free(const std::string& name);
  // With the names lock held.
  [[nodiscard]] bool is_stale(const std::string& name, const std::string& holder) const;

  void read_all(const std::vector<std::string>& ids, Listing& listing);
  void read_difficult(const std::string& id, Listing& listing);
  void sweep(const std::vector<DocumentFolder::TempFile>& temp_files, std::vector<std::string> living);
  void sweep_work(const std::string& id);
  void sweep_names(const std::vector<SandboxRecord>& records);
  [[nodiscard]] bool is_dead(const SandboxRecord& record) const;

  StateFolder folder_;
  DocumentFolder documents_;
  NameTable names_;
  UniqueFd locks_;
  UniqueFd work_;
  IdSource ids_;
};

}  // namespace tl::registry
