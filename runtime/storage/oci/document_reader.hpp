// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/result.hpp"

namespace tl::storage::oci {

using Json = nlohmann::json;

// A sentence about a document of a stranger: kOutOfRange, printable whatever is in it.
Error document_error(std::string_view document, std::string_view why);

// Parses within bounds: kMaxDocumentBytes, a few levels. `document` is what errors call it.
Result<Json> parse_document(std::string_view text, std::string_view document);

// Members of an object, which may be missing or null, and then are empty, but not of another kind. Texts have
// no NUL, and lists at most kMaxListItems.
inline constexpr std::size_t kMaxListItems = 4096;
Result<std::string> text_of(const Json& object, const char* member, std::string_view document);
Result<std::vector<std::string>> texts_of(const Json& object, const char* member, std::string_view document);
Result<Json> list_of(const Json& object, const char* member, std::string_view document);
Result<Json> object_of(const Json& object, const char* member, std::string_view document);
Result<std::uint64_t> size_of(const Json& object, const char* member, std::string_view document);

}  // namespace tl::storage::oci
