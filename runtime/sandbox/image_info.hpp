// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/sandbox/info.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {

// What callers are told of an image.
inline ImageInfo info_of(const storage::Image& image) {
  const storage::ImageManifest& manifest = image.manifest;
  return {image.name, manifest.digest, manifest.size_bytes, manifest.created_at, manifest.source};
}

}  // namespace tl
