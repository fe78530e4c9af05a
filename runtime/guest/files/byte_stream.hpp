// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "runtime/guest/files/landing.hpp"

// One file whose length nobody knows yet, such as our standard input. So that a stream that broke off is not
// taken for a short one, it travels in chunks
//
//     length: u32, big-endian, at most kMaxChunk | length bytes
//
// of which the last, and only the last, is empty. All of these block; memory is a chunk.
namespace tl::guest {

inline constexpr std::size_t kMaxChunk = 64 * 1024;

struct Sent {
  std::uint64_t bytes = 0;
  bool complete = true;  // false: nobody reads the chunks any more
};

// From a descriptor to its end, into chunks. Also watches whether anybody still reads while nothing comes.
Result<Sent> send_chunks(int from, int to);
// The chunks as a new file; nothing is there before the last chunk was. The bytes.
Result<std::uint64_t> receive_chunks(int from, const Destination& destination);

// The contents of one file as they are. kNotFound, and kConflict for what is not a file.
Result<Sent> send_file(const std::string& path, int to);

}  // namespace tl::guest
