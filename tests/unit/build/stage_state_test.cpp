// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/stage_state.hpp"

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::build;

namespace {

using Words = std::vector<std::string>;

struct Told {
  Result<void> apply(const std::string& line) {
    auto parsed = parse_dockerfile("Dockerfile", line);
    REQUIRE(parsed);
    return state.apply(parsed->instructions.front(), '\\', given, global);
  }
  void ok(const std::string& line) {
    INFO(line);
    const auto applied = apply(line);
    INFO((applied ? "" : applied.error().message));
    REQUIRE(applied);
  }
  [[nodiscard]] std::string variable(const std::string& name) const {
    for (const auto& [each, value] : state.environment()) {
      if (each == name) return value;
    }
    return "(none)";
  }

  Arguments given, global;
  StageState state{
      storage::ImageConfig{{"PATH=/bin", "BASE=b"}, "/workspace", "tl-user", {"/init"}, {"serve"}}};
};

}  // namespace

TEST_CASE("ENV sets variables that later instructions see, and its own do not") {
  Told stage;
  stage.ok("ENV A=1 B=\"two words\" C=it\\ is");
  stage.ok("ENV A=2 D=$A");
  stage.ok("ENV OLD the   old form $A ");
  stage.ok("ENV PATH=/opt:$PATH");
  CHECK(stage.state.config().env ==
        Words{"PATH=/opt:/bin", "BASE=b", "A=2", "B=two words", "C=it is", "D=1", "OLD=the   old form 2"});
  for (const char* wrong : {"ENV A", "ENV A=1 B", "ENV =x", "ENV A=${"}) {
    INFO(wrong);
    CHECK_FALSE(stage.apply(wrong));
  }
}

TEST_CASE("an image that says no PATH has the usual one") {
  StageState state{storage::ImageConfig{}};
  REQUIRE(state.config().env.size() == 1);
  CHECK(state.config().env[0].starts_with("PATH=/usr/local/sbin:"));
}

TEST_CASE("ARG takes what was given, else its default, else the one before the first FROM") {
  Told stage;
  stage.given = {{"GIVEN", "given"}, {"UNASKED", "x"}};
  stage.global = {{"ABOVE", "above"}, {"HIDDEN", "x"}};
  stage.ok("ARG GIVEN=default OTHER=other");
  stage.ok("ARG ABOVE");
  stage.ok("ARG NOTHING");
  CHECK(stage.variable("GIVEN") == "given");
  CHECK(stage.variable("OTHER") == "other");
  CHECK(stage.variable("ABOVE") == "above");
  for (const char* unset : {"NOTHING", "UNASKED", "HIDDEN"}) CHECK(stage.variable(unset) == "(none)");
  CHECK(stage.state.used() == std::set<std::string>{"GIVEN"});
  stage.ok("ENV OTHER=env");
  CHECK(stage.variable("OTHER") == "env");
  CHECK(*stage.state.expanded("$OTHER-$ABOVE", '\\') == "env-above");
  CHECK(stage.state.config().env.back() == "OTHER=env");
  CHECK_FALSE(stage.apply("ARG 1=2"));
}

TEST_CASE("arguments end with their stage, everything else goes on in the next") {
  Told stage;
  stage.ok("ARG A=1");
  stage.ok("ENV E=1");
  stage.ok("SHELL [\"/bin/bash\", \"-ec\"]");
  stage.state = stage.state.as_base();
  CHECK(stage.variable("A") == "(none)");
  CHECK(stage.variable("E") == "1");
  stage.ok("CMD x");
  CHECK(stage.state.config().cmd == Words{"/bin/bash", "-ec", "x"});
}

TEST_CASE("WORKDIR goes on from the last one") {
  Told stage;
  stage.ok("WORKDIR a/../b/");
  CHECK(stage.state.config().working_dir == "/workspace/b");
  stage.ok("ENV D=/x");
  stage.ok("WORKDIR $D/../../..");
  CHECK(stage.state.config().working_dir == "/");
  CHECK(stage.state.absolute("a/") == "/a/");
  CHECK(stage.state.absolute(".") == "/");
  stage.ok("WORKDIR /srv");
  CHECK(stage.state.absolute(".") == "/srv/");
  CHECK(stage.state.absolute("x/../y") == "/srv/y");
  CHECK_FALSE(stage.apply("WORKDIR $NONE"));
  stage.ok("USER $BASE");
  CHECK(stage.state.config().user == "b");
}

TEST_CASE("ENTRYPOINT takes the inherited CMD away, and not the stage's own") {
  Told stage;
  stage.ok("ENTRYPOINT [\"/app\"]");
  CHECK(stage.state.config().entrypoint == Words{"/app"});
  CHECK(stage.state.config().cmd.empty());
  stage.ok("CMD [\"--port\", \"80\"]");
  stage.ok("ENTRYPOINT run $X");
  CHECK(stage.state.config().entrypoint == Words{"/bin/sh", "-c", "run $X"});
  CHECK(stage.state.config().cmd == Words{"--port", "80"});
}

TEST_CASE("RUN is a command, or text for the shell with its heredocs") {
  const auto command = [](const std::string& text) {
    const auto parsed = parse_dockerfile("Dockerfile", text);
    REQUIRE(parsed);
    return Told().state.command(parsed->instructions.front()).back();
  };
  CHECK(command("RUN echo $A 'b'") == "echo $A 'b'");
  CHECK(command("RUN [\"a\", \"b c\"]") == "b c");
  CHECK(command("RUN <<EOF\na\nb\nEOF\n") == "a\nb\n");
  CHECK(command("RUN cat <<EOF >x\na\nEOF\n") == "cat <<EOF >x\na\nEOF\n");
}

TEST_CASE("variables that double themselves come to an end") {
  Told stage;
  stage.ok("ENV A=" + std::string(1000, 'x'));
  bool refused = false;
  for (int i = 0; i < 60 && !refused; ++i) refused = !stage.apply("ENV A=$A$A");
  CHECK(refused);
  Told wide;
  refused = false;
  for (int i = 0; i < 20 && !refused; ++i)
    refused = !wide.apply("ENV V" + std::to_string(i) + "=" + std::string(50'000, 'x'));
  CHECK(refused);
}
