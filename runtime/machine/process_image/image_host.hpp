// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::machine {

// What a process image depends on and does not have in itself.
struct ImageHost {
  // A file that it maps from where it lies. Another one for every file that was ever put there.
  struct File {
    std::string path;
    std::string stamp;
    bool operator==(const File&) const = default;
  };
  std::string boot;       // of the host: boot_id of random(4)
  std::string processor;  // what its programs can find out about it
  std::vector<File> files;
};

// As it is here, with those files. kFailure when one is not there.
Result<ImageHost> image_host(const std::vector<std::string>& files);

// JSON and back. kFailure for what is none of ours.
[[nodiscard]] std::string to_json(const ImageHost& host);
Result<ImageHost> image_host_from(std::string_view json);

// kHostLacks in one sentence when it is not this host, as it is now.
Result<void> check_is_here(const ImageHost& host);

}  // namespace tl::machine
