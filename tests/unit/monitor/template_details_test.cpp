// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/template_details.hpp"

#include "tests/support/catch.hpp"

namespace tl::monitor {

TEST_CASE("a template's details come back as they were", "[monitor]") {
  const auto both = template_details_from(to_json({"3 17+4", "5+2"}));
  CHECK(both.first_writes == "3 17+4");
  CHECK(both.first_reads == "5+2");
  CHECK(template_details_from(to_json({})).first_writes.empty());
  CHECK(template_details_from(to_json({})).first_reads.empty());
}

TEST_CASE("details that are not understood are none", "[monitor]") {
  for (const char* text :
       {"", "{", "null", "[]", "7", "{}", R"({"first_writes":7})", R"({"first_writes":null})",
        R"({"first_writes":["3"],"first_reads":3})", R"({"FIRST_WRITES":"3"})"}) {
    INFO(text);
    CHECK(template_details_from(text).first_writes.empty());
    CHECK(template_details_from(text).first_reads.empty());
  }
  CHECK(template_details_from(R"({"later":1,"first_writes":"3"})").first_writes == "3");
}

}  // namespace tl::monitor
