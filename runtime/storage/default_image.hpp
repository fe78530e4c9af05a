// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl::storage {

struct DefaultImageOptions {
  std::string name = kDefaultImageName;
  std::uint64_t disk_mib = 10240;
  // Part of the digest: another text makes a new image of the same recipe, with the packages of today.
  std::string edition;
  std::function<void(const std::string& line)> progress;  // may be empty
  std::function<bool()> cancelled;                        // may be empty; asked several times a second
};

// Makes the image from the packages of this host's own Debian or Ubuntu release, with mmdebstrap, as root or
// not: minutes and some network traffic the first time, nothing when the store has an image of the same
// recipe. Interrupted or failed, it leaves nothing behind. kHostLacks when mmdebstrap is missing, the host
// runs another distribution, or space runs out.
Result<Image> build_default_image(ImageStore& store, const DefaultImageOptions& options);

}  // namespace tl::storage
