// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/atomic_file.hpp"
#include "common/result.hpp"

// The folder of a saved machine, in a sandbox's work folder, a snapshot or a template.
namespace tl {

// Whether a machine can go on from there.
[[nodiscard]] bool has_machine(const std::filesystem::path& folder);

// Makes `to`, in which the same machine is saved, by links where the host can. Several processes may link
// from one folder at once.
Result<void> link_machine(const std::filesystem::path& from, const std::filesystem::path& to,
                          std::uint64_t ram_bytes, Durability durability);

}  // namespace tl
