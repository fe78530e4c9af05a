// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/dockerfile.hpp"

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::build;

namespace {

Dockerfile parsed(std::string_view text) {
  auto file = parse_dockerfile("Dockerfile", text);
  INFO((file ? "" : file.error().message));
  REQUIRE(file);
  return *std::move(file);
}

std::string refusal(std::string_view text) {
  const auto file = parse_dockerfile("Dockerfile", text);
  REQUIRE_FALSE(file);
  CHECK(file.error().code == ErrorCode::kOutOfRange);
  CHECK(file.error().message.find('\n') == std::string::npos);
  return file.error().message;
}

// "KEYWORD text", a line each.
std::string listing(const Dockerfile& file) {
  std::string lines;
  for (const auto& each : file.instructions)
    lines += std::to_string(each.line) + " " + each.keyword + " " + each.text + "\n";
  return lines;
}

}  // namespace

TEST_CASE("a Dockerfile is a list of instructions with the lines where they begin") {
  const auto file =
      parsed("# a comment\n\nfrom  default as one\r\n  RUN make \t\n#RUN not\nCMD [\"a\", \"b\"]");
  CHECK(listing(file) == "3 FROM default as one\n4 RUN make\n6 CMD [\"a\", \"b\"]\n");
  CHECK(file.instructions[2].list == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(file.instructions[1].list);
}

TEST_CASE("an instruction goes on behind an escape, over comments and empty lines") {
  const auto file = parsed("FROM a\nRUN one \\\n  # no\n\n two\\  \n three\nRUN x \\\\\nENV A=b\\");
  CHECK(listing(file) == "1 FROM a\n2 RUN one  two three\n7 RUN x \\\\\n8 ENV A=b\n");
}

TEST_CASE("the escape can be a backtick, which only a comment in the beginning says") {
  const auto file = parsed("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN dir `\n c:\\\nUSER b\n");
  CHECK(file.escape == '`');
  CHECK(listing(file) == "3 FROM a\n4 RUN dir  c:\\\n6 USER b\n");
  CHECK(parsed("# hello\n# escape=`\nFROM a\n").escape == '\\');
  CHECK(refusal("# escape=x\nFROM a\n") == "Dockerfile:1: escape is a backslash or a backtick");
}

TEST_CASE("options come before everything else") {
  const auto file =
      parsed("FROM --platform=linux/amd64 a\nCOPY --from=b --chown=1:2 --link x y\nRUN -- --x\nCMD --y\n");
  const auto& copy = file.instructions[1];
  REQUIRE(copy.options.size() == 3);
  CHECK(copy.options[0].name == "from");
  CHECK(copy.options[1].value == "1:2");
  CHECK(copy.options[2].value.empty());
  CHECK(copy.text == "x y");
  CHECK(file.instructions[2].text == "--x");
  CHECK(file.instructions[3].text == "--y");
  CHECK(shown(copy) == "COPY --from=b --chown=1:2 --link x y");
}

TEST_CASE("what looks like JSON and is no array of strings is text") {
  for (const char* text :
       {"[a, b]", "[\"a\", 1]", "[\"a\"", "[[\"a\"]]", "[\"a\"] b", "[ -f x ] && y", "[\"a\\u0000\"]"}) {
    INFO(text);
    CHECK_FALSE(parsed("FROM a\nRUN " + std::string(text)).instructions[1].list);
  }
  CHECK(parsed("FROM a\nCMD []").instructions[1].list == std::vector<std::string>{});
}

TEST_CASE("heredocs are what follows, up to their names") {
  const auto file = parsed(
      "FROM a\nRUN <<EOF\none\n  # two\\\nEOF\nRUN cat <<-'A' 3<<B >x\n\t\tin a\n\tA\nin b\nB\nUSER c\n");
  CHECK(listing(file) == "1 FROM a\n2 RUN <<EOF\n6 RUN cat <<-'A' 3<<B >x\n11 USER c\n");
  CHECK(file.instructions[1].heredocs.at(0).body == "one\n  # two\\\n");
  CHECK(file.instructions[2].heredocs.at(0).body == "in a\n");
  CHECK(file.instructions[2].heredocs.at(1).body == "in b\n");
  for (const char* none :
       {"RUN echo '<<EOF'", "RUN echo $((1<<2))", "RUN cat <<<EOF", "RUN 1 << 2", "ENV A=<<EOF"})
    CHECK(parsed("FROM a\n" + std::string(none) + "\nUSER b").instructions.size() == 3);
  CHECK(refusal("FROM a\nRUN <<EOF\nx\n") == "Dockerfile:2: RUN: there is no end of <<EOF");
}

TEST_CASE("what is no instruction is refused by its line") {
  CHECK(refusal("FROM a\nFORM b\n") == "Dockerfile:2: FORM is not an instruction");
  CHECK(refusal("FROM a\n\nRUN\n") == "Dockerfile:3: RUN says nothing");
  CHECK(refusal("FROM a\nRUN --x=y\n") == "Dockerfile:2: RUN says nothing");
  CHECK(refusal("") == "Dockerfile has no instructions");
  CHECK(refusal("# escape=`\n") == "Dockerfile has no instructions");
  CHECK(refusal("\x1b[31m evil\n").find('\x1b') == std::string::npos);
}

TEST_CASE("a hostile Dockerfile is refused before it costs anything") {
  using namespace std::string_literals;
  CHECK(refusal(std::string(10 << 20, 'x')).find("more than 1048576 bytes") != std::string::npos);
  CHECK(refusal("FROM a\nRUN " + std::string(900'000, 'x')) ==
        "Dockerfile:2: an instruction of more than 122880 bytes");
  CHECK(refusal("FROM a\nRUN x\0y\n"s) == "Dockerfile:2: a zero byte");
  CHECK(refusal("FROM a\nRUN <<E\nx\0y\nE\n"s) == "Dockerfile:2: a zero byte");
  std::string many = "FROM a\n";
  for (std::size_t i = 0; i < kMaxInstructions; ++i) many += "RUN x\n";
  CHECK(refusal(many) == "Dockerfile:4097: more than 4096 instructions");
  std::string joined = "FROM a\nRUN x";
  for (int i = 0; i < 200; ++i) joined += std::string(1000, 'x') + "\\\n";
  CHECK(refusal(joined).find("an instruction of more than") != std::string::npos);
  std::string heredocs = "FROM a\nRUN x";
  for (int i = 0; i < 17; ++i) heredocs += " <<A";
  CHECK(refusal(heredocs) == "Dockerfile:2: more than 16 heredocs");
  const std::string deep(100'000, '[');
  CHECK_FALSE(parsed("FROM a\nCMD " + deep).instructions[1].list);
}
