// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <ext2fs/ext2fs.h>

#include "common/result.hpp"

namespace tl::storage {

// "<what>: <libext2fs' words>". A full host disk is kHostLacks, a full image kOutOfRange with the cure.
[[nodiscard]] Error ext4_error(errcode_t code, std::string_view what);

}  // namespace tl::storage
