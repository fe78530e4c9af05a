// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace tl::storage {

// How commands run in the image unless told otherwise; the fields of an OCI image's config.
struct ImageConfig {
  std::vector<std::string> env;  // "NAME=value"
  std::string working_dir;       // empty: the user's home
  std::string user;              // NAME, UID or UID:GID; empty: root
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
};

// What `manifest.json` says of an image. It is written when everything else is in place: an image without one
// is half-made.
struct ImageManifest {
  // Readers refuse what is newer than they know.
  static constexpr int kSchemaVersion = 1;

  std::string
      digest;  // "sha256:" and 64 hexadecimal digits, of what the image was made from (see ImageStore)
  std::string source;            // what it was made from, for people: "Debian GNU/Linux 12 (bookworm)"
  std::string source_digest;     // of that, "sha256:…": an OCI manifest's, a file's; empty: not known
  std::string architecture;      // as in OCI: "amd64"
  std::uint64_t size_bytes = 0;  // of the file system
  std::uint64_t used_bytes = 0;  // what it took on the host when it was made
  std::uint64_t disk_mib = 0;    // the smallest disk a sandbox of it can have
  std::chrono::system_clock::time_point created_at;
  ImageConfig config;
};

std::string to_json(const ImageManifest& manifest);
std::string to_json(const ImageConfig& config);  // one line, the same for the same
// Everything is checked: the file may be damaged. kFailure.
Result<ImageManifest> parse_image_manifest(std::string_view json);

// The digest of an image made from `what` (a recipe, or a digest of an archive and of its config):
// "sha256:…". The version of the file system writer goes in too, so that a new tl does not take an old one's
// images for its own.
std::string image_digest(std::string_view what);
// "sha256:" and exactly 64 lower-case hexadecimal digits.
bool is_image_digest(std::string_view text);

}  // namespace tl::storage
