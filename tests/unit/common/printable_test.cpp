// SPDX-License-Identifier: Apache-2.0
#include "common/printable.hpp"

#include "tests/support/catch.hpp"

namespace tl {

TEST_CASE("text is made printable: controls and broken UTF-8 go, letters of all scripts stay") {
  CHECK(make_printable("plain text", 100) == "plain text");
  CHECK(make_printable("a\tb\nc\x1b\x7f", 100) == "a b?c??");
  CHECK(make_printable("naïve 日本 😀", 100) == "naïve 日本 😀");
  CHECK(make_printable("\xe2\x80\xae rtl", 100) == "??? rtl");
  CHECK(make_printable("\xc0\x80\xf8\xed\xa0\x80", 100) == "??????");
  CHECK(make_printable("日本", 4) == "日");
  CHECK(make_printable("", 10).empty());
}

}  // namespace tl
