// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "common/result.hpp"
#include "runtime/registry/record.hpp"

// The JSON document of a record: one object with the documented field names (sandbox_id, name, status, image,
// resources{cpus,memory_mb,disk_mb}, timeout_secs, created_at, …). Fields without a value are left out.
namespace tl::registry {

inline constexpr std::size_t kMaxDocumentBytes = 1 << 20;  // anything larger is damaged

// The text is no document that any version of ours has written.
struct DamagedDocument {
  std::string reason;
};
// A document of a later version that this program must not touch.
struct NewerDocument {
  std::string schema;
};

// Takes any bytes. The document must be that of the sandbox `id`.
std::variant<SandboxRecord, DamagedDocument, NewerDocument> parse_document(const std::string& id,
                                                                           std::string_view text);

// The document of `record`; with `old_text`, its present document, the fields that we do not know survive.
// kOutOfRange when a string is not UTF-8, which JSON cannot hold.
Result<std::string> format_document(const SandboxRecord& record, std::string_view old_text = "");

}  // namespace tl::registry
