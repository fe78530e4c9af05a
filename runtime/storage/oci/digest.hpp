// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage::oci {

// "sha256:" and 64 lower-case hexadecimal digits, the one form that is taken here: kOutOfRange for another
// algorithm, by its name, and for what is no digest. `of` is whose it is, for the sentence.
Result<void> check_digest(std::string_view digest, std::string_view of);

// The digits alone, of a digest that was checked.
std::string_view digits_of(std::string_view digest);

// `source`, whose end is refused (kOutOfRange, naming `what`) unless the bytes have that digest. With a size
// it is refused as soon as there are more bytes, too, and at the end when there are less.
ByteSource verified(ByteSource source, std::string digest, std::string what);
ByteSource verified(ByteSource source, std::string digest, std::uint64_t size_bytes, std::string what);

// All of it, verified; kOutOfRange beyond `limit` bytes.
Result<std::string> read_all(const ByteSource& source, std::size_t limit, std::string_view what);

}  // namespace tl::storage::oci
