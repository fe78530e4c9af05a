// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/image_manifest.hpp"
#include "runtime/storage/oci/image_files.hpp"

namespace tl::storage::oci {

// One image, chosen of those that some files hold, and all that is to be done for it.
struct Plan {
  struct Layer {
    std::string path;                   // of the blob
    std::optional<std::string> digest;  // of the blob; without one diff_id is there
    std::optional<std::uint64_t> size_bytes;
    std::string diff_id;  // digest of what is unpacked; empty: not told
  };
  std::string digest;  // of the manifest, or, in what `docker save` wrote, of the config: two equal ones are
                       // the same image
  std::string name;    // what it is called there, in full; empty: nothing
  ImageConfig config;
  std::vector<Layer> layers;  // the lowest first
};

// The image that is called `wanted` ("TAG" or "REPOSITORY:TAG") in an OCI image layout; with "" the only one.
// Of an image for several platforms the one for Linux on this processor. kNotFound when there is no such
// name, kOutOfRange when nobody said which of several, naming them, and for everything that is malformed or
// not for this machine.
Result<Plan> plan_of_layout(ImageFiles& files, const std::string& wanted);

// The same in an archive of `docker save`.
Result<Plan> plan_of_saved(ImageFiles& files, const std::string& wanted);

}  // namespace tl::storage::oci
