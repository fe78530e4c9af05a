// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/template_details.hpp"

#include <nlohmann/json.hpp>

namespace tl::monitor {
namespace {

constexpr const char* kFirstWrites = "first_writes";
constexpr const char* kFirstReads = "first_reads";

std::string text_in(const nlohmann::json& document, const char* name) {
  const auto found = document.find(name);
  return found != document.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string to_json(const TemplateDetails& details) {
  return nlohmann::json{{kFirstWrites, details.first_writes}, {kFirstReads, details.first_reads}}.dump();
}

TemplateDetails template_details_from(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  if (!document.is_object()) return {};
  return {text_in(document, kFirstWrites), text_in(document, kFirstReads)};
}

}  // namespace tl::monitor
