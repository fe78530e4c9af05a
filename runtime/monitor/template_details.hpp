// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tl::monitor {

// What a monitor that makes a template leaves in its manifest for those that start from it
// (snapshot::TemplateStore). It helps, and nothing depends on it.
struct TemplateDetails {
  // As snapshot::page_list_text() has them; kvm.
  std::string first_writes;  // what the maker's own guest wrote to when it ran a first command again
  std::string first_reads;  // what the first guest that went on from here had touched after its first command
};

[[nodiscard]] std::string to_json(const TemplateDetails& details);
// What is not understood is not there.
[[nodiscard]] TemplateDetails template_details_from(std::string_view json);

}  // namespace tl::monitor
