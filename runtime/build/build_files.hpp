// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "common/result.hpp"
#include "runtime/build/build_context.hpp"
#include "runtime/build/dockerfile.hpp"

namespace tl::build {

// What a build reads on this machine.
struct BuildFiles {
  Dockerfile dockerfile;
  BuildContext context;
  std::string name;  // for the image, where nobody says one
};

// `path` is a Dockerfile, whose folder is the context, or the context; `file` a Dockerfile elsewhere. What is
// left out of the context is said by FILE.dockerignore, else by .dockerignore in it. kNotFound, kOutOfRange.
Result<BuildFiles> open_build(const std::string& path, const std::optional<std::string>& file);

// "web" for web/Dockerfile, web.Dockerfile and Dockerfile.web; always one that an image can have.
std::string default_image_name(const std::string& dockerfile, const std::string& folder);

}  // namespace tl::build
