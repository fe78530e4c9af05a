// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_name.hpp"

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::storage;

TEST_CASE("Names of images are accepted as the rule says") {
  for (const char* name :
       {"default", "python:3.12", "a", "0", "registry.example/team/app:V1_x-2", "a_b-c.d"}) {
    INFO(name);
    CHECK(check_image_name(name));
    const auto back = image_name_from_file(image_name_to_file(name));
    REQUIRE(back);
    CHECK(*back == name);
    CHECK(image_name_to_file(name).find('/') == std::string::npos);
  }
  CHECK(check_image_name(std::string(128, 'a')));
}

TEST_CASE("Names that could mean something else are refused") {
  for (const char* name : {"", ".", "..", "../x", "/abs", "-x", "_x", "Upper", "a//b", "a/", "a b", "a+b",
                           "a:", "a:b:c", "a:b/c", ":tag", "a\nb", "gr\xc3\xb6sse"}) {
    INFO(name);
    const auto checked = check_image_name(name);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::kOutOfRange);
    CHECK_FALSE(checked.error().hint.empty());
  }
  CHECK_FALSE(check_image_name(std::string(129, 'a')));
  CHECK_FALSE(image_name_from_file(".default.abc.tmp"));
}
