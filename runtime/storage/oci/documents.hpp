// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "runtime/storage/image_manifest.hpp"

// The JSON documents of container images, as far as an import needs them: OCI's (image-spec 1.0 and 1.1), the
// same ones as Docker calls them, and the list in a `docker save` archive. All is a stranger's: sizes, depths
// and counts are bounded, digests are of the one form that is known, and every error is kOutOfRange and one
// sentence that begins with what is wrong.
namespace tl::storage::oci {

inline constexpr std::size_t kMaxDocumentBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxLayers = 512;
inline constexpr std::size_t kMaxManifests = 1024;  // of one index

// What another document says of a blob.
struct Descriptor {
  std::string media_type;
  std::string digest;
  std::uint64_t size_bytes = 0;
  std::string os;            // of its platform; empty: not told
  std::string architecture;  // as in OCI: "amd64"
  std::map<std::string, std::string> annotations;

  [[nodiscard]] bool is_index() const;
  [[nodiscard]] bool is_manifest() const;
  // An attestation or a signature, which is about an image and is none.
  [[nodiscard]] bool is_about_another() const;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // the lowest first; each of a kind that can be unpacked
};

struct Config {
  std::string os;  // empty: not told
  std::string architecture;
  std::vector<std::string> diff_ids;  // digests of the unpacked layers
  ImageConfig image;                  // variables that are none ("NAME" alone) are left out, as Docker does
};

// One image of a `docker save` archive; paths of its files in there.
struct SavedImage {
  std::string config;
  std::vector<std::string> names;  // "repository:tag"
  std::vector<std::string> layers;
};

Result<void> check_layout(std::string_view oci_layout);
Result<std::vector<Descriptor>> parse_index(std::string_view json);
Result<Manifest> parse_manifest(std::string_view json);
Result<Config> parse_config(std::string_view json);
Result<std::vector<SavedImage>> parse_saved_images(std::string_view json);

}  // namespace tl::storage::oci
