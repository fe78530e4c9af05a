// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

// What both forms of an image with layers have in common when one of several is to be chosen.
namespace tl::storage::oci {

// "docker.io/library/alpine:3" is "alpine:3" to people.
std::string familiar(std::string_view name);

// kOutOfRange, or kNotFound when somebody said which, with the names that there are.
Error not_chosen(const std::string& wanted, std::vector<std::string> names);

// As OCI calls the processor of this host: "amd64".
std::string_view host_architecture();
// kOutOfRange unless it is Linux on this processor, or not told.
Result<void> check_platform(const std::string& os, const std::string& architecture);

}  // namespace tl::storage::oci
