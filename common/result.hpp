// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/check.hpp"

namespace tl {

// What kind of thing went wrong. Stable: cli/ maps each to a documented exit code, and the control
// protocol carries the number.
enum class ErrorCode : int {
  kFailure = 1,     // anything without a code of its own
  kNotFound = 3,    // no such sandbox, snapshot or image
  kConflict = 4,    // wrong state, name taken
  kOutOfRange = 5,  // value out of range or malformed
  kHostLacks = 6,   // the host has no accelerator, image, kernel, space ...
};

// An error is a code and one sentence, built on the way up: the place that fails says what and why
// ("open /dev/kvm: Permission denied"), each caller puts in front what it was doing ("start web").
// `hint` is the cure, when known; the innermost hint wins.
struct Error {
  ErrorCode code = ErrorCode::kFailure;
  std::string message;
  std::string hint;

  [[nodiscard]] Error within(std::string_view doing) const {
    return Error{code, std::string(doing) + ": " + message, hint};
  }
  [[nodiscard]] Error with_hint(std::string_view cure) const {
    return hint.empty() ? Error{code, message, std::string(cure)} : *this;
  }
};

// "<what>: <strerror(number)>"; ENOSPC and EDQUOT become kHostLacks, the rest kFailure.
[[nodiscard]] Error errno_error(int number, std::string_view what);
// The same for the calling thread's current errno.
[[nodiscard]] Error errno_error(std::string_view what);

// A value or an Error; shaped like std::expected<T, Error>. Asking for the one that is not there is a
// mistake of ours and ends the process.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    TL_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    TL_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    TL_CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const {
    TL_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  [[nodiscard]] bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] const Error& error() const {
    TL_CHECK(failed_);
    return error_;
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace tl
