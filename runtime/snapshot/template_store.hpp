// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/result.hpp"
#include "runtime/snapshot/artefact_store.hpp"

namespace tl::snapshot {

// Machines that were saved when they had just booted: templates/<key>/ in the state folder, where the key is
// a digest of all that a machine is made from, so that who makes the same machine again finds it. They can be
// made anew at any time, and those that were not used for the longest time go first. Any number of processes;
// an object is for one thread at a time.
class TemplateStore {
 public:
  static Result<TemplateStore> open(const std::filesystem::path& state_folder);

  // kConflict when it is there, or somebody is making it: then boot, and leave the template to them.
  Result<ArtefactDraft> begin(const std::string& key) { return artefacts_.begin(key); }
  // `details` is JSON, the maker's business. kOutOfRange when it is none.
  Result<void> commit(ArtefactDraft draft, const std::string& details);

  struct Template {
    ArtefactPin pin;  // hold it until its files are linked
    std::string details;
    std::uint64_t size_bytes = 0;
  };
  // Notes that it was used. kNotFound; kFailure when it is damaged.
  Result<Template> find(const std::string& key);

  // Replaces the details, also while somebody has the template. kNotFound when it has gone; kOutOfRange when
  // they are no JSON.
  Result<void> amend(const std::string& key, const std::string& details);
  Result<void> remove(const std::string& key) { return artefacts_.remove(key); }
  // Removes the least recently used ones, damaged ones first, until the rest takes at most `max_bytes`. Those
  // that are in use stay. Returns how many went.
  Result<std::size_t> shrink_to(std::uint64_t max_bytes);
  Result<std::size_t> sweep() { return artefacts_.sweep(); }

 private:
  explicit TemplateStore(ArtefactStore artefacts) : artefacts_(std::move(artefacts)) {}
  ArtefactStore artefacts_;
};

}  // namespace tl::snapshot
