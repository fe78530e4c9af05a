// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/substitution.hpp"

#include <map>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::build;

namespace {

Result<std::string> expand_here(std::string_view text, char escape = '\\') {
  static const std::map<std::string, std::string, std::less<>> kSet = {
      {"A", "a"}, {"EMPTY", ""}, {"SPACE", "x y"}, {"LONG", std::string(1000, 'x')}};
  return expand(text, escape, [](std::string_view name) -> std::optional<std::string> {
    const auto found = kSet.find(name);
    return found == kSet.end() ? std::nullopt : std::optional(found->second);
  });
}

}  // namespace

TEST_CASE("variables are put in, and quotes and escapes taken out") {
  struct Case {
    const char* text;
    const char* expected;
  };
  for (const auto& [text, expected] :
       std::initializer_list<Case>{{"plain", "plain"},    {"$A/${A}b$Ab", "a/ab"},
                                   {"${A}$A", "aa"},      {"'$A'\"$A\"", "$Aa"},
                                   {"\\$A \\'", "$A '"},  {"\"\\$A \\\" \\n\"", "$A \" \\n"},
                                   {"$SPACE", "x y"},     {"$", "$"},
                                   {"$1 $-", "$1 $-"},    {"a\\", "a\\"},
                                   {"${NONE}", ""},       {"${NONE:-w}", "w"},
                                   {"${EMPTY:-w}", "w"},  {"${EMPTY-w}", ""},
                                   {"${A:-w}", "a"},      {"${A:+w}", "w"},
                                   {"${EMPTY:+w}", ""},   {"${EMPTY+w}", "w"},
                                   {"${NONE+w}", ""},     {"${NONE:-${A}/$A}", "a/a"},
                                   {"${NONE:-'}'}", "}"}, {"${A:?no}", "a"},
                                   {"ä$A", "äa"}}) {
    INFO(text);
    const auto expanded = expand_here(text);
    REQUIRE(expanded);
    CHECK(*expanded == expected);
  }
  CHECK(*expand_here("`$A c:\\x", '`') == "$A c:\\x");
}

TEST_CASE("what cannot be understood is refused") {
  for (const char* text :
       {"'", "\"", "${", "${A", "${A:", "${A:-", "${}", "${1}", "${A#x}", "${A:x}", "\"${A", "${A:-'}"}) {
    INFO(text);
    const auto expanded = expand_here(text);
    REQUIRE_FALSE(expanded);
    CHECK(expanded.error().code == ErrorCode::kOutOfRange);
  }
  CHECK(expand_here("${NONE:?say one}").error().message == "NONE: say one");
  CHECK(expand_here("${EMPTY:?}").error().message == "EMPTY: not set");
}

TEST_CASE("how deep and how long a word becomes is bounded") {
  std::string deep, end;
  for (std::size_t i = 0; i < kMaxDepth; ++i) deep += "${NONE:-", end += "}";
  CHECK(*expand_here(deep + "x" + end) == "x");
  CHECK_FALSE(expand_here("${NONE:-" + deep + "x" + end + "}"));
  std::string endless;
  for (int i = 0; i < 20'000; ++i) endless += "${NONE:-";
  CHECK_FALSE(expand_here(endless));
  std::string grown;
  for (int i = 0; i < 70; ++i) grown += "$LONG";
  CHECK_FALSE(expand_here(grown));
  CHECK_FALSE(expand_here("\"" + grown + "\""));
  CHECK(expand_here("$" + std::string(100'000, 'x')));
}

TEST_CASE("words end at white space that is neither quoted nor escaped") {
  using Words = std::vector<std::string>;
  CHECK(split_words(" a\tb  c ", '\\') == Words{"a", "b", "c"});
  CHECK(split_words("A=\"x y\" B='p \" q' c\\ d", '\\') == Words{"A=\"x y\"", "B='p \" q'", "c\\ d"});
  CHECK(split_words("\"open x", '\\') == Words{"\"open x"});
  CHECK(split_words("'a\\' b", '\\') == Words{"'a\\'", "b"});
  CHECK(split_words("", '\\').empty());
}
