// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"

// The file of a process image: an ELF program, FORMAT.md.
namespace tl::machine {

// Where an image has what is its own: below everything that programs of our time have.
constexpr std::uint64_t kProgramAddress = 2 << 20;
constexpr std::uint64_t kCallsAddress = 4 << 20;
constexpr std::uint64_t kDataAddress = 8 << 20;
constexpr std::uint64_t kImageEnd = 64 << 20;
// Where memory begins in the file, behind the first page.
constexpr std::uint64_t kMemoryOffset = 4096;

struct ImageProgram {
  std::span<const std::byte> calls;  // ScriptCall, for kCallsAddress; played from the first on
  std::span<const std::byte> data;   // for kDataAddress
  std::string_view note;             // read_note()
};

// Adds everything but the memory to the file, from `position` on, a multiple of a page; the first page last.
// kFailure when it does not fit below kImageEnd.
Result<void> make_program(int file, std::uint64_t position, const ImageProgram& program);

// kFailure when the file is no image.
Result<std::string> read_note(int file);

}  // namespace tl::machine
