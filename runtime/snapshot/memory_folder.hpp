// SPDX-License-Identifier: Apache-2.0
#pragma once

// The names of FORMAT.md's files of a memory.
namespace tl::snapshot {

inline constexpr const char* kDeltaFile = "memory";
inline constexpr const char* kDeltaMapFile = "memory.map";
inline constexpr const char* kBaseFile = "memory.base";
inline constexpr const char* kBaseMapFile = "memory.base.map";

}  // namespace tl::snapshot
