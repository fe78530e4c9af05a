// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tl {

// SHA-256 of what it is fed, piece by piece. Its own library (tl_digest), because the guest's agent has no
// libcrypto.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);

  // 64 lower-case hexadecimal digits of everything so far; nothing more may be fed afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of one piece.
std::string sha256_hex(std::string_view text);

}  // namespace tl
