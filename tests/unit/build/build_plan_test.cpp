// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/build_plan.hpp"

#include <memory>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace tl::build;

namespace {

struct Planned {
  Dockerfile file;
  Result<BuildPlan> plan;
};

// Apart from the stack, for the plan refers to the file.
std::unique_ptr<Planned> planned(const std::string& text, const std::optional<std::string>& target = {},
                                 const Arguments& arguments = {}) {
  auto file = parse_dockerfile("Dockerfile", text);
  REQUIRE(file);
  auto both = std::make_unique<Planned>(Planned{*std::move(file), BuildPlan{}});
  both->plan = plan_build(both->file, arguments, target);
  return both;
}

std::string refusal(const std::string& text, const std::optional<std::string>& target = {}) {
  const auto both = planned(text, target);
  REQUIRE_FALSE(both->plan);
  CHECK(both->plan.error().code == ErrorCode::kOutOfRange);
  return both->plan.error().message;
}

using Order = std::vector<std::size_t>;

constexpr const char* kStages =
    "FROM a AS one\nRUN 1\nFROM b AS two\nRUN 2\nFROM one AS three\nCOPY --from=two x y\nFROM c\nCOPY "
    "--from=0 x y\n";

}  // namespace

TEST_CASE("only the stages that the target needs are built") {
  CHECK(planned(kStages)->plan->order == Order{0, 3});
  CHECK(planned(kStages, "three")->plan->order == Order{0, 1, 2});
  CHECK(planned(kStages, "THREE")->plan->order == Order{0, 1, 2});
  CHECK(planned(kStages, "1")->plan->order == Order{1});
  const auto three = planned(kStages, "three");
  CHECK(three->plan->steps() == 6);
  CHECK(three->plan->stages[2].base == 0U);
  CHECK(three->plan->last_use(0) == 2U);
  CHECK(three->plan->last_use(1) == 2U);
  CHECK_FALSE(three->plan->last_use(2));
  CHECK(three->plan->stages[2].copies_from(1));
  CHECK_FALSE(three->plan->stages[2].copies_from(0));
  CHECK(refusal(kStages, "four") == "Dockerfile has no stage four");
}

TEST_CASE("FROM is put together from the arguments before it") {
  const std::string text = "ARG BASE=alpine\nARG TAG=${BASE}-3\nFROM $TAG\nFROM ${BASE}\n";
  const auto both = planned(text);
  CHECK(both->plan->stages[0].image == "alpine-3");
  CHECK(planned(text, {}, {{"BASE", "debian"}})->plan->stages[1].image == "debian");
  CHECK(refusal("ARG NONE\nFROM $NONE\n") == "Dockerfile:2: FROM $NONE: the image's name is empty");
}

TEST_CASE("COPY --from is an earlier stage or an image, and not a later one") {
  const auto both = planned("FROM a AS x\nFROM b\nCOPY --from=x 1 2\nCOPY --from=other 1 2\n");
  const Stage& stage = both->plan->stages[1];
  CHECK(stage.sources.at(stage.instructions[0]).stage == 0U);
  CHECK_FALSE(stage.sources.at(stage.instructions[1]).stage);
  CHECK(stage.sources.at(stage.instructions[1]).image == "other");
  for (const char* from : {"0", "7", "me", "$X"}) {
    INFO(from);
    refusal("FROM a AS me\nCOPY --from=" + std::string(from) + " 1 2\n");
  }
}

TEST_CASE("what is not supported is refused by its name, in the stages that are built") {
  struct Case {
    const char *instruction, *said;
  };
  for (const auto& [instruction, said] :
       std::initializer_list<Case>{{"RUN --mount=type=cache,target=/x make", "RUN --mount is not supported"},
                                   {"RUN --network=none make", "RUN --network is not supported"},
                                   {"RUN <<EOF\n#!/bin/x\nEOF", "RUN << with a #! line is not supported"},
                                   {"RUN []", "there is no command to run"},
                                   {"COPY x", "it is COPY SOURCE"},
                                   {"COPY --parents x y", "COPY --parents is not supported"},
                                   {"COPY --chmod x y", "--chmod needs a value"},
                                   {"COPY <<EOF /x\nEOF", "COPY <<EOF is not supported"},
                                   {"ADD https://host/x /y", "ADD of a URL is not supported"},
                                   {"ADD git@host:x.git /y", "ADD of a URL is not supported"},
                                   {"ADD --checksum=x a b", "ADD --checksum is not supported"},
                                   {"ADD --from=x a b", "ADD --from is not supported"},
                                   {"ONBUILD RUN x", "ONBUILD is not supported"},
                                   {"SHELL bash", "SHELL takes a JSON array"}}) {
    INFO(instruction);
    const std::string message = refusal("FROM a\n" + std::string(instruction) + "\n");
    CHECK(message.find(said) != std::string::npos);
    CHECK(message.starts_with("Dockerfile:2: "));
    CHECK(planned("FROM a\n" + std::string(instruction) + "\nFROM b\n")->plan.has_value());
  }
  CHECK(refusal("FROM scratch\nCOPY x /\n").find("cannot begin with nothing") != std::string::npos);
  CHECK(refusal("FROM --platform=linux/arm64 a\n").find("linux/amd64") != std::string::npos);
  CHECK(refusal("RUN x\nFROM a\n") == "Dockerfile:1: RUN x: FROM comes first");
  CHECK(refusal("ARG A=b\n") == "Dockerfile has no FROM");
  CHECK(refusal("FROM a b\n").find("FROM IMAGE AS NAME") != std::string::npos);
  CHECK(refusal("FROM a AS 1x\n").find("begins with a letter") != std::string::npos);
}

TEST_CASE("what changes nothing is warned of, with its line") {
  const auto both = planned(
      "FROM a\nLABEL x=y\nEXPOSE 80\nHEALTHCHECK --interval=5s CMD x\nVOLUME /x\nSTOPSIGNAL 9\nMAINTAINER "
      "me\n");
  REQUIRE(both->plan);
  REQUIRE(both->plan->warnings.size() == 6);
  CHECK(both->plan->warnings[1] ==
        "Dockerfile:3: EXPOSE is ignored: ports are opened by 'tl sbx create --expose' and 'tl sbx tunnel'");
}
