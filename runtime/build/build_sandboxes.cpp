// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_sandboxes.hpp"

#include <algorithm>
#include <utility>

namespace tl::build {

BuildSandboxes::BuildSandboxes(Runtime& runtime, const BuildWatch& watch, CreateRequest machine,
                               Lifetime lifetime)
    : runtime_(runtime), watch_(watch), machine_(std::move(machine)) {
  machine_.lifetime = lifetime == Lifetime::kBuilds ? SandboxLifetime::kCreators : SandboxLifetime::kOwn;
  machine_.signals = watch.signals;
  machine_.image_entrypoint = ImageEntrypoint::kLeave;
}

// Sandboxes first: a snapshot that one was made from cannot be removed.
BuildSandboxes::~BuildSandboxes() {
  for (const std::string& sandbox : sandboxes_)
    [[maybe_unused]] const auto ended = runtime_.terminate(sandbox);
  for (const std::string& snapshot : snapshots_)
    [[maybe_unused]] const auto removed = runtime_.remove_checkpoint(snapshot);
}

Result<Guest> BuildSandboxes::create(const CreateRequest& request) {
  if (auto on = watch_.go_on(); !on) return on.error();
  const auto created = runtime_.create(request, watch_.progress);
  watch_.progress("");
  if (auto on = watch_.go_on(); !created && !on) return on.error();
  if (!created) return created.error();
  // Once is enough for all of them.
  if (sandboxes_.empty()) {
    for (const std::string& warning : created->warnings) watch_.warn(warning);
  }
  sandboxes_.push_back(created->sandbox.record.sandbox_id);
  return Guest(runtime_, watch_, sandboxes_.back());
}

Result<Guest> BuildSandboxes::from_image(const std::string& image) {
  CreateRequest request = machine_;
  request.image = image;
  return create(request);
}

Result<Guest> BuildSandboxes::from_guest(const Guest& guest) {
  const auto snapshot = freeze(guest);
  if (!snapshot) return snapshot.error();
  CreateRequest request = machine_;
  request.snapshot = *snapshot;
  return create(request);
}

Result<std::string> BuildSandboxes::freeze(const Guest& guest) {
  if (auto on = watch_.go_on(); !on) return on.error();
  CheckpointRequest request;
  request.lifetime = SandboxLifetime::kCreators;
  const auto snapshot = runtime_.checkpoint(guest.sandbox(), request);
  if (!snapshot) return snapshot.error();
  snapshots_.push_back(snapshot->snapshot_id);
  return snapshots_.back();
}

void BuildSandboxes::end(const Guest& guest) {
  const auto found = std::find(sandboxes_.begin(), sandboxes_.end(), guest.sandbox());
  if (found == sandboxes_.end()) return;
  // One that does not end now is tried again in the end.
  if (runtime_.terminate(guest.sandbox())) sandboxes_.erase(found);
}

void BuildSandboxes::keep(const Guest& guest) {
  std::erase(sandboxes_, guest.sandbox());
}

}  // namespace tl::build
