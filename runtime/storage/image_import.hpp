// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/import_watch.hpp"
#include "runtime/storage/oci/skopeo.hpp"

namespace tl::storage {

struct ImageImport {
  std::string reference;            // parse_image_reference()
  std::optional<std::string> name;  // else one after the reference
  std::uint64_t disk_mib = 10240;   // Ext4Volume's range
  oci::RegistryTrust trust = oci::RegistryTrust::kVerified;
  ImportWatch watch;
};

// Makes an image of what the reference means, without root. What was imported before with the same disk only
// gets the name. Failed, interrupted or killed, it leaves neither name nor image behind, and of what was
// fetched only whole layers in the cache.
//
// All of it is a stranger's: see oci/documents.hpp, oci/image_files.hpp, Ext4Tree and add_tar() for what is
// refused (kOutOfRange). Messages are printable. Blocks; one thread.
Result<Image> import_image(ImageStore& store, const ImageImport& import);

// Removes the layers that are kept from fetching; how many.
Result<std::size_t> clear_fetched_layers(const ImageStore& store);

}  // namespace tl::storage
