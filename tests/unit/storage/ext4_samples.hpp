// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "runtime/storage/ext4_builder.hpp"

namespace tl::storage::test {

inline constexpr std::uint64_t kSampleMib = 64;

Result<void> add_file(Ext4Builder& builder, const std::string& path, const std::string& data,
                      Ext4Attributes attributes = {});

// A file system of kSampleMib with all kinds of files: see the source. Ends the test when it cannot be made.
void make_sample(const std::filesystem::path& path);

// "user::rw-,user:1000:rw-,group::---,mask::rw-,other::---" as the kernel has it.
std::string sample_acl();

}  // namespace tl::storage::test
