// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/job_thread.hpp"

#include <stdexcept>
#include <string>
#include <thread>

#include "common/result.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/guest/agent_process.hpp"

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;

namespace {

asio::awaitable<std::thread::id> where_it_goes_on(JobThread* jobs) {
  std::function<int()> job = [] { return 1; };
  const int done = co_await jobs->run(std::move(job));
  CHECK(done == 1);
  co_return std::this_thread::get_id();
}

asio::awaitable<bool> throws(JobThread* jobs) {
  std::function<int()> job = []() -> int { throw std::runtime_error("no memory"); };
  bool thrown = false;
  try {
    co_await jobs->run(std::move(job));
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  co_return thrown;
}

}  // namespace

TEST_CASE("a job runs on another thread, and what comes after it does not") {
  asio::io_context io;
  JobThread jobs;
  std::function<std::thread::id()> job = [] { return std::this_thread::get_id(); };
  CHECK(run(io, jobs.run(std::move(job))) != std::this_thread::get_id());
  CHECK(run(io, where_it_goes_on(&jobs)) == std::this_thread::get_id());
}

TEST_CASE("a job's captures and its result are its own") {
  asio::io_context io;
  JobThread jobs;
  for (int i = 0; i < 100; ++i) {
    std::function<Result<std::string>()> job = [text = std::string(100, 'x'), more = std::string(100, 'y')] {
      return Result<std::string>(text + more);
    };
    CHECK(run(io, jobs.run(std::move(job))).value() == std::string(100, 'x') + std::string(100, 'y'));
  }
}

TEST_CASE("what a job throws reaches its caller") {
  asio::io_context io;
  JobThread jobs;
  CHECK(run(io, throws(&jobs)));
}
