// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage {

// Who looks on while an image is imported. Both may be empty.
struct ImportWatch {
  std::function<void(const std::string& line)> progress;  // a few words
  std::function<bool()> cancelled;                        // asked several times a second

  void tell(const std::string& line) const {
    if (progress) progress(line);
  }
  // An error when it is to be given up.
  [[nodiscard]] Result<void> check() const;
};

// `source`, whose reading ends when it is cancelled, and which tells how far it has come, "<what>, 3 of 12
// MiB", a few times a second. The watch must outlive it. A total of 0 is not known.
ByteSource watched(ByteSource source, const ImportWatch& watch, std::string what, std::uint64_t total_bytes);

}  // namespace tl::storage
