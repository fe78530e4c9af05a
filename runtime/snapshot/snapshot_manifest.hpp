// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace tl::snapshot {

// What is known of a snapshot: the manifest.json of its folder. Plain data.
struct SnapshotManifest {
  enum class Type {
    kFilesystem,  // the disk
    kMemory,      // the disk and the running machine
  };

  std::string snapshot_id;          // kIdLength of [0-9a-z]
  std::optional<std::string> name;  // as a sandbox's; no two snapshots have the same
  Type type = Type::kFilesystem;
  std::string sandbox_id;  // of the sandbox that it was made from
  std::optional<std::string> sandbox_name;
  std::string image;
  std::string image_digest;
  double cpus = 1.0;
  std::uint32_t memory_mb = 0;
  std::uint32_t disk_mb = 0;
  std::string accelerator;                                        // "kvm", "tcg"
  std::chrono::time_point<std::chrono::system_clock> created_at;  // in whole milliseconds
  std::uint64_t size_bytes = 0;                                   // what its files take on the host
  std::string entrypoint = "null";                                // JSON, the sandbox's business
  std::string network = "null";                                   // JSON, the sandbox's business

  bool operator==(const SnapshotManifest&) const = default;

  // kOutOfRange when a text is not UTF-8 or what should be JSON is none.
  [[nodiscard]] Result<std::string> to_json() const;
  // Takes any bytes; kFailure, with what is wrong.
  static Result<SnapshotManifest> from_json(std::string_view text);
};

}  // namespace tl::snapshot
