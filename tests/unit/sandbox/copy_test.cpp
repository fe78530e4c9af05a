// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include <filesystem>

#include "runtime/sandbox/runtime.hpp"
#include "tests/support/catch.hpp"

using namespace tl;

namespace {

struct Fixture {
  Fixture() {
    char name[] = "/tmp/tl-sandbox-test-XXXXXX";
    options.home = ::mkdtemp(name);
    auto opened = Runtime::open(options);
    REQUIRE(opened);
    runtime = *std::move(opened);
  }
  ~Fixture() { std::filesystem::remove_all(options.home); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  [[nodiscard]] Error refusal(std::uint32_t copies) const {
    CopyRequest request;
    request.copies = copies;
    const auto made = runtime->copy("web", request, {});
    REQUIRE_FALSE(made);
    return made.error();
  }

  RuntimeOptions options;
  std::unique_ptr<Runtime> runtime;
};

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "one to a thousand copies can be asked for, which is checked before anything else") {
  for (const std::uint32_t copies : {0U, 1001U, 0xffffffffU}) {
    const Error error = refusal(copies);
    CHECK(error.code == ErrorCode::kOutOfRange);
    CHECK(error.message == std::to_string(copies) + " copies: 1 to 1000 are possible");
  }
  for (const std::uint32_t copies : {1U, 1000U}) CHECK(refusal(copies).code == ErrorCode::kNotFound);
}

TEST_CASE_METHOD(Fixture, "what is no sandbox is neither suspended, resumed, checkpointed nor copied") {
  CHECK(runtime->suspend("web", CreateWait::kReady).error().code == ErrorCode::kNotFound);
  CHECK(runtime->resume("web", CreateWait::kReady, -1, {}).error().code == ErrorCode::kNotFound);
  CHECK(runtime->checkpoint("web", {}).error().code == ErrorCode::kNotFound);
  CHECK(runtime->remove_checkpoint("web").error().code == ErrorCode::kNotFound);
  CHECK(runtime->checkpoints()->snapshots.empty());
}
