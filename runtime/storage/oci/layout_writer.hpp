// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/long_work.hpp"

namespace tl::storage::oci {

struct WrittenLayout {
  std::string digest;            // of the image's manifest, "sha256:…"
  std::uint64_t size_bytes = 0;  // of the manifest, the config and the layer together
};

// What a tag in a layout may be: 1 to 128 of [A-Za-z0-9._:@/+-], the first a letter or a digit. kOutOfRange.
Result<void> check_tag(std::string_view tag);

// Makes an OCI image layout (image-spec 1.0) of an image in a folder that is there and empty: oci-layout,
// index.json, and below blobs/sha256 a manifest, a config and one layer. The same image and tag make the same
// files. They are durable, the folder's own name is not. After an error the folder has any part of them.
Result<WrittenLayout> write_layout(const Image& image, const std::string& tag,
                                   const std::filesystem::path& folder, const LongWork& work);

}  // namespace tl::storage::oci
