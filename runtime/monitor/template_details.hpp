// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tl::monitor {

// What a monitor that makes a template leaves in its manifest for those that start from it
// (snapshot::TemplateStore). It helps, and nothing depends on it.
struct TemplateDetails {
  std::string first_writes;  // as snapshot::first_writes_text() has them; kvm
};

[[nodiscard]] std::string to_json(const TemplateDetails& details);
// What is not understood is not there.
[[nodiscard]] TemplateDetails template_details_from(std::string_view json);

}  // namespace tl::monitor
