// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>
#include <sys/mman.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "common/guest_memory_file.hpp"
#include "common/unique_fd.hpp"
#include "runtime/machine/machine.hpp"

namespace tl::machine::test {

// Where a coroutine's result will be.
template <typename T>
using Later = std::shared_ptr<std::optional<T>>;

template <typename T>
asio::awaitable<void> keep(asio::awaitable<T> work, Later<T> into) {
  T value = co_await std::move(work);
  *into = std::move(value);
}

// Begins a coroutine on `context`; it goes on whenever the context runs.
template <typename T>
Later<T> begin(asio::io_context& context, asio::awaitable<T> work) {
  auto result = std::make_shared<std::optional<T>>();
  asio::co_spawn(context, keep(std::move(work), result), [](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
  });
  return result;
}

// Runs a coroutine to its end; throws when that takes longer than `limit`, which is a hang, not slowness.
template <typename T>
T run(asio::io_context& context, asio::awaitable<T> work,
      std::chrono::seconds limit = std::chrono::seconds(120)) {
  const Later<T> result = begin(context, std::move(work));
  context.restart();
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!*result) {
    if (context.run_one_until(deadline) == 0) throw std::runtime_error("the coroutine did not end in time");
  }
  return **std::move(result);
}

struct TempFolder {
  TempFolder() {
    char name[] = "/tmp/tl-machine-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::filesystem::path path;
};

// What a tcg machine of that size needs.
inline UniqueFd guest_memory(const MachineSpec& spec) {
  return *make_guest_memory_file(std::uint64_t{spec.memory_mib} << 20);
}

inline UniqueFd memory_file() {
  return UniqueFd(::memfd_create("test", MFD_CLOEXEC));
}

}  // namespace tl::machine::test
