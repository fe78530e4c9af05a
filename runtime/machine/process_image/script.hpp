// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tl::machine {

// One system call of a process image's script, as player.S reads it: eight words of 64 bits.
struct ScriptCall {
  // Above the number of the call.
  enum Flag : std::uint64_t {
    kFromVdso = 1ULL << 32,   // the first argument counts from where the process has its vDSO; skipped when
                              // that is the fifth
    kStore = 1ULL << 33,      // the result, 32 bits of it, goes to where the sixth argument points
    kThread = 1ULL << 34,     // the second argument is the script of the thread that is made
    kReturn = 1ULL << 35,     // no call, the end: the first argument is a signal's frame to return from
    kAnyResult = 1ULL << 36,  // it may fail
  };

  std::uint64_t number = 0;
  std::array<std::uint64_t, 6> arguments{};
  std::uint64_t result = 0;  // what it must give: anything else ends the process with status kScriptFailed
};
static_assert(sizeof(ScriptCall) == 64);

constexpr int kScriptFailed = 125;

// What the calls of a script point to: bytes at addresses that stay theirs.
class ScriptData {
 public:
  explicit ScriptData(std::uint64_t address) : address_(address) {}

  // Returns the address; a multiple of `alignment`, which is a power of two up to a page.
  std::uint64_t add(std::span<const std::byte> bytes, std::size_t alignment = 8);
  std::uint64_t add_text(std::string_view text);  // and a null byte
  std::uint64_t add_calls(std::span<const ScriptCall> calls);
  template <typename T>
  std::uint64_t add_object(const T& object, std::size_t alignment = alignof(T)) {
    return add(std::as_bytes(std::span(&object, 1)), alignment);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::uint64_t address_;
  std::vector<std::byte> bytes_;
};

// The calls of one thread, in the order in which they are made.
class Script {
 public:
  using Arguments = std::array<std::uint64_t, 6>;

  // The call must give `result`.
  void call(long number, Arguments arguments, std::uint64_t result = 0, std::uint64_t flags = 0) {
    calls_.push_back({static_cast<std::uint64_t>(number) | flags, arguments, result});
  }
  // The last one: goes on where the frame says, which is a ucontext_t at that address.
  void return_from(std::uint64_t frame) { calls_.push_back({ScriptCall::kReturn, {frame}, 0}); }

  [[nodiscard]] std::span<const ScriptCall> calls() const { return calls_; }

 private:
  std::vector<ScriptCall> calls_;
};

}  // namespace tl::machine
