// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/page_set.hpp"

#include <set>

#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

TEST_CASE("a page set is what a set of numbers is", "[snapshot]") {
  Random random(1);
  for (const std::uint64_t size : {1, 63, 64, 65, 200, 1000}) {
    PageSet pages(size);
    std::set<std::uint64_t> model;
    for (int i = 0; i < 100; ++i) {
      const std::uint64_t first = below(random, size);
      const PageRun run{first, below(random, size - first + 1)};
      const bool adds = below(random, 2) == 0;
      adds ? pages.add(run) : pages.remove(run);
      for (std::uint64_t page = run.first; page < run.end(); ++page) {
        if (adds)
          model.insert(page);
        else
          model.erase(page);
      }
      REQUIRE(pages.count() == model.size());
      REQUIRE(pages.empty() == model.empty());
      std::set<std::uint64_t> from_runs;
      std::uint64_t last_end = 0;
      for (const PageRun& found : pages.runs()) {
        REQUIRE(found.count > 0);
        REQUIRE((found.first > last_end || last_end == 0));  // neighbours are in one run
        last_end = found.end();
        for (std::uint64_t page = found.first; page < found.end(); ++page) from_runs.insert(page);
      }
      REQUIRE(from_runs == model);
      for (std::uint64_t page = 0; page < size; ++page) REQUIRE(pages.contains(page) == model.contains(page));
    }
  }
}

TEST_CASE("a run does not go beyond what was asked for", "[snapshot]") {
  PageSet pages(300);
  pages.add({10, 200});
  CHECK(pages.next_run(0, 300) == PageRun{10, 200});
  CHECK(pages.next_run(50, 60) == PageRun{50, 10});
  CHECK(pages.next_run(210, 300).count == 0);
  CHECK(pages.next_run(0, 10).count == 0);
}

TEST_CASE("bits beyond the last page are refused", "[snapshot]") {
  PageSet pages(65);
  const std::uint64_t fits[] = {~std::uint64_t{0}, 1};
  const std::uint64_t does_not[] = {0, 2};
  CHECK(pages.assign(fits));
  CHECK(pages.count() == 65);
  CHECK_FALSE(pages.assign(does_not));
}

}  // namespace
}  // namespace tl::snapshot::test
