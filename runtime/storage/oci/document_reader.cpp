// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/document_reader.hpp"

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/storage/oci/documents.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxShown = 300;

// Looked at before the library sees it, whose values are copied and destroyed by recursion.
bool is_deep(std::string_view text) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

const Json* member_of(const Json& object, const char* member) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(member);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error wrong_kind(const char* member, std::string_view kind, std::string_view document) {
  return document_error(document, fmt::format("\"{}\" is not {}", member, kind));
}

}  // namespace

Error document_error(std::string_view document, std::string_view why) {
  return Error{ErrorCode::kOutOfRange, fmt::format("{}: {}", document, make_printable(why, kMaxShown)), ""};
}

Result<Json> parse_document(std::string_view text, std::string_view document) {
  if (text.size() > kMaxDocumentBytes)
    return document_error(document, fmt::format("longer than {} KiB", kMaxDocumentBytes >> 10));
  if (is_deep(text)) return document_error(document, "nested too deeply");
  auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return document_error(document, "not JSON");
  return json;
}

Result<std::string> text_of(const Json& object, const char* member, std::string_view document) {
  const Json* found = member_of(object, member);
  if (found == nullptr) return std::string();
  if (!found->is_string()) return wrong_kind(member, "a text", document);
  auto text = found->get<std::string>();
  if (text.find('\0') != std::string::npos) return wrong_kind(member, "a text without NUL", document);
  return text;
}

Result<std::vector<std::string>> texts_of(const Json& object, const char* member, std::string_view document) {
  const auto list = list_of(object, member, document);
  if (!list) return list.error();
  std::vector<std::string> texts;
  for (const Json& item : *list) {
    if (!item.is_string() || item.get_ref<const std::string&>().find('\0') != std::string::npos)
      return wrong_kind(member, "a list of texts", document);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

Result<Json> list_of(const Json& object, const char* member, std::string_view document) {
  const Json* found = member_of(object, member);
  if (found == nullptr) return Json::array();
  if (!found->is_array()) return wrong_kind(member, "a list", document);
  if (found->size() > kMaxListItems)
    return document_error(document, fmt::format("\"{}\" has more than {} items", member, kMaxListItems));
  return *found;
}

Result<Json> object_of(const Json& object, const char* member, std::string_view document) {
  const Json* found = member_of(object, member);
  if (found == nullptr) return Json::object();
  if (!found->is_object()) return wrong_kind(member, "an object", document);
  return *found;
}

Result<std::uint64_t> size_of(const Json& object, const char* member, std::string_view document) {
  const Json* found = member_of(object, member);
  // Negative numbers are of another type.
  if (found == nullptr || !found->is_number_unsigned()) return wrong_kind(member, "a size", document);
  return found->get<std::uint64_t>();
}

}  // namespace tl::storage::oci
