// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/template_details.hpp"

#include <nlohmann/json.hpp>

namespace tl::monitor {
namespace {

constexpr const char* kFirstWrites = "first_writes";

}  // namespace

std::string to_json(const TemplateDetails& details) {
  return nlohmann::json{{kFirstWrites, details.first_writes}}.dump();
}

TemplateDetails template_details_from(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  TemplateDetails details;
  if (!document.is_object()) return details;
  const auto found = document.find(kFirstWrites);
  if (found != document.end() && found->is_string()) details.first_writes = found->get<std::string>();
  return details;
}

}  // namespace tl::monitor
