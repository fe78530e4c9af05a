// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "runtime/build/build_plan.hpp"
#include "runtime/build/build_watch.hpp"
#include "runtime/sandbox/runtime.hpp"

// An image from a Dockerfile, made in sandboxes. Stands on the public interface of the runtime and on nothing
// else.
namespace tl::build {

struct ImageBuild {
  std::string path;                 // a Dockerfile, or the context with one in it
  std::optional<std::string> file;  // a Dockerfile elsewhere; then `path` is the context
  std::optional<std::string> name;  // of the image; absent: from the path
  Arguments arguments;              // --build-arg
  std::optional<std::string> target;
  CreateRequest machine;  // resources, network, accelerator; of each sandbox
  enum class OnFailure { kEndAll, kKeepFailed } on_failure = OnFailure::kEndAll;
};

// Blocks for as long as it takes. Each needed stage has a sandbox for as long as it is needed; they end with
// this process, but for those of kKeepFailed, which are ended when it is over. Nothing is left of a build
// that fails or is stopped, and the name stays whose it was. kNotFound for a missing file or image,
// kOutOfRange for what is not a Dockerfile and what is refused in it, kFailure for a command that failed.
Result<ImageInfo> build_image(Runtime& runtime, const ImageBuild& build, const BuildWatch& watch);

}  // namespace tl::build
