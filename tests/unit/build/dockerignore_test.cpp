// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/dockerignore.hpp"

#include "runtime/build/glob.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::build;

namespace {

DockerIgnore ignoring(std::string_view text) {
  auto ignore = DockerIgnore::parse(text);
  REQUIRE(ignore);
  return *std::move(ignore);
}

}  // namespace

TEST_CASE("a pattern leaves out what it means and what is below") {
  const auto ignore = ignoring("# comment\n/a/b\n*.log\n**/tmp\n  ./c/../d/ \r\n\nx?z\n");
  for (const char* path : {"a/b", "a/b/c", "x.log", "tmp", "p/q/tmp", "p/tmp/f", "d", "d/e", "xyz", ".log"}) {
    INFO(path);
    CHECK(ignore.leaves_out(path));
  }
  for (const char* path : {"a", "a/bc", "p/x.log", "tmpx", "c", "xz", "# comment"}) {
    INFO(path);
    CHECK_FALSE(ignore.leaves_out(path));
  }
  CHECK_FALSE(ignore.has_exceptions());
}

TEST_CASE("the last pattern that fits decides") {
  const auto ignore = ignoring("*\n!src\nsrc/*.o\n!src/keep.o\n");
  CHECK(ignore.leaves_out("x"));
  CHECK_FALSE(ignore.leaves_out("src/a.c"));
  CHECK(ignore.leaves_out("src/a.o"));
  CHECK_FALSE(ignore.leaves_out("src/keep.o"));
  CHECK(ignore.has_exceptions());
  CHECK(ignoring("**\n").leaves_out("a/b"));
  CHECK(ignoring("a/**/z").leaves_out("a/z"));
  CHECK(ignoring("a/**/z").leaves_out("a/b/c/z"));
  CHECK_FALSE(DockerIgnore().leaves_out("a"));
}

TEST_CASE("a hostile list of patterns is refused or takes no time") {
  CHECK_FALSE(DockerIgnore::parse(std::string(2 << 20, 'x')));
  CHECK_FALSE(DockerIgnore::parse(std::string(5000, 'x')));
  std::string many;
  for (std::size_t i = 0; i <= DockerIgnore::kMaxPatterns; ++i) many += "x\n";
  CHECK_FALSE(DockerIgnore::parse(many));
  std::string stars;
  for (int i = 0; i < 1000; ++i) stars += "*a";
  CHECK_FALSE(ignoring(stars + "b").leaves_out(std::string(4000, 'a')));
  std::string parts;
  for (int i = 0; i < 500; ++i) parts += "**/a/";
  std::string path = "a";
  for (int i = 0; i < 900; ++i) path += "/a";
  CHECK_FALSE(ignoring(parts + "b").leaves_out(path));
}

TEST_CASE("one part of a path is matched as Go's filepath does it") {
  struct Case {
    const char *pattern, *name;
    bool fits;
  };
  for (const auto& [pattern, name, fits] : std::initializer_list<Case>{{"*", "abc", true},
                                                                       {"*", ".hidden", true},
                                                                       {"*", "", true},
                                                                       {"a*c", "abbc", true},
                                                                       {"a*c*d", "abcxcd", true},
                                                                       {"a?c", "abc", true},
                                                                       {"a?c", "ac", false},
                                                                       {"[a-c]x", "bx", true},
                                                                       {"[^a-c]x", "bx", false},
                                                                       {"[!a]", "b", true},
                                                                       {"[]a]", "]", true},
                                                                       {"[a", "[a", true},
                                                                       {"[a-]", "-", true},
                                                                       {"\\*", "*", true},
                                                                       {"\\*", "x", false},
                                                                       {"", "", true},
                                                                       {"a", "ab", false}}) {
    INFO(pattern << " " << name);
    CHECK(matches(pattern, name) == fits);
  }
  CHECK(is_pattern("a[b"));
  CHECK_FALSE(is_pattern("a\\*b"));
}

TEST_CASE("no path leads above its root") {
  CHECK(join_path(path_parts("/../../a/./b//../c/")) == "a/c");
  CHECK(path_parts("..").empty());
}
