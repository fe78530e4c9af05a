// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::registry {

// The folder in which each name in use is a symbolic link whose target is the sandbox's ID: symlink(2) fails
// when the name exists, so of two at once exactly one wins. A reservation is made before the document that
// carries the name and dropped after the one that no longer does; what a crash leaves between the two is
// stale and told by the Registry. Everything but reserve() is called with the names lock held.
class NameTable {
 public:
  explicit NameTable(UniqueFd dir) : dir_(std::move(dir)) {}

  // The ID under that name; "" when something else than a reservation is in its place; nullopt when it is
  // free.
  [[nodiscard]] Result<std::optional<std::string>> holder(const std::string& name) const;

  // All that are there, in no order. Needs no lock.
  [[nodiscard]] Result<std::vector<std::string>> names() const;

  // False when the name is taken.
  Result<bool> reserve(const std::string& name, const std::string& id) const;
  // Frees the name if `id` (or, for "", no ID) holds it.
  Result<void> release(const std::string& name, const std::string& id) const;
  // Makes what was done durable.
  Result<void> sync() const;

 private:
  UniqueFd dir_;
};

}  // namespace tl::registry
