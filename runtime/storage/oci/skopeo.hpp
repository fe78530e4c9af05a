// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/import_watch.hpp"
#include "runtime/storage/oci/blob_cache.hpp"

namespace tl::storage::oci {

// Whether the registry at the other end must prove who it is.
enum class RegistryTrust { kVerified, kAny };

// Has skopeo put the image at `address` ("docker://alpine:3"), that for Linux on this processor, into the
// cache: an image layout in cache.layout(), its blobs in cache.blobs(). Returns when the program has ended,
// which it does soon, with all that it started, when the watch is cancelled or more than `most_bytes` come.
// kHostLacks without skopeo; its own failures in its own words, kNotFound for an image that is not there.
Result<void> fetch_image(const std::string& address, RegistryTrust trust, const BlobCache& cache,
                         std::uint64_t most_bytes, const ImportWatch& watch);

}  // namespace tl::storage::oci
