// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/long_work.hpp"
#include "runtime/storage/oci/layout_writer.hpp"

namespace tl::storage::oci {

// Makes an OCI image layout of an image at `to`: a folder that is new or empty, or where the name ends in
// ".tar" a new file, a tar of one. It is there whole or not at all: it is made beside it, or in the
// empty folder, under a name of its own (".tl-export.….tmp"), and renamed in the end; only a kill leaves
// that. kConflict when something is there, kNotFound when there is no folder to put it into, kOutOfRange for
// the tag, kHostLacks without space.
Result<WrittenLayout> export_layout(const Image& image, const std::string& tag,
                                    const std::filesystem::path& to, const LongWork& work);

}  // namespace tl::storage::oci
