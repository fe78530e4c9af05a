// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/build/build_watch.hpp"
#include "runtime/build/guest.hpp"
#include "runtime/sandbox/runtime.hpp"

namespace tl::build {

// The sandboxes and snapshots of a build. Whatever is still there goes with this object, and sandboxes with
// this process, unless one of them is to be kept.
class BuildSandboxes {
 public:
  enum class Lifetime { kBuilds, kMayBeKept };

  // `machine`: how each is to be.
  BuildSandboxes(Runtime& runtime, const BuildWatch& watch, CreateRequest machine, Lifetime lifetime);
  BuildSandboxes(const BuildSandboxes&) = delete;
  BuildSandboxes& operator=(const BuildSandboxes&) = delete;
  ~BuildSandboxes();

  Result<Guest> from_image(const std::string& image);
  // With the same file system.
  Result<Guest> from_guest(const Guest& guest);
  // What the file system is now; the snapshot's ID. It is removed when no sandbox is made from it.
  Result<std::string> freeze(const Guest& guest);

  void end(const Guest& guest);
  // It is not ended any more.
  void keep(const Guest& guest);

 private:
  Result<Guest> create(const CreateRequest& request);

  Runtime& runtime_;
  const BuildWatch& watch_;
  CreateRequest machine_;
  std::vector<std::string> sandboxes_, snapshots_;
};

}  // namespace tl::build
