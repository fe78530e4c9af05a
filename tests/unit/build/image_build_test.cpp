// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/image_build.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "common/io.hpp"
#include "runtime/build/guest_scripts.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/build/folder.hpp"
#include "tests/unit/cli/fake_runtime.hpp"

using namespace tl;
using namespace tl::build;
using cli::test::FakeRuntime;
using cli::test::FakeState;

namespace {

using Words = std::vector<std::string>;

// A build on a runtime whose sandboxes do what their scripts would, in words.
struct Build : test::Folder {
  Build() {
    for (const char* name : {"default", "other"})
      state->images.push_back({name, "sha256:" + std::string(64, '0'), 1, {}, ""});
    state->image_config = {{"PATH=/bin"}, "/workspace", "tl-user", {"/init"}, {"serve"}};
    state->program = [this](const ExecOptions& options) { return answer(options); };
    watch.step = [this](std::string_view line) { steps.emplace_back(line); };
    watch.warn = [this](std::string_view line) { warnings.emplace_back(line); };
    watch.kept = [this](std::string_view sandbox) { kept = sandbox; };
    watch.stopped = [this] { return stopped; };
    request.path = path("app");
    request.name = "app";
  }

  ExecOutcome answer(const ExecOptions& options) {
    const auto& words = options.command;
    const bool is_script = words.size() > 3 && words[3] == "tl-build";
    if (!is_script) {
      runs.push_back(options);
      if (words.back() == "interrupt") stopped = true;
      if (words.back() == "nothing-there") return {127, "nothing-there: not found"};
      return {words.back() == "fail" ? 2 : 0};
    }
    const Words arguments(words.begin() + 4, words.end());
    if (words[2] == kLookScript)
      *options.channels.out_text = folders.count(arguments[0]) != 0 ? "folder\n" : "nothing\n";
    if (words[2] == kOwnerScript)
      *options.channels.out_text = arguments[0] == "evil" ? "-1 x\n" : "1000 1001\n";
    if (words[2] == kFindScript) *options.channels.out_text = found + "\n";
    if (words[2] == kFolderScript) made.push_back(arguments[1] + " " + arguments[0]);
    if (words[2] == kPackScript) {
      packed = arguments;
      REQUIRE(write_all(options.channels.out, std::string_view("archive of a stage")));
    }
    if (words[2] == kUnpackScript) {
      unpacked.push_back(arguments);
      streams.push_back(*read_to_end(options.channels.in, 1 << 20));
      if (!unpack_fails.empty()) {
        *options.channels.err_text = unpack_fails;
        return {2};
      }
    }
    return {0};
  }

  Result<ImageInfo> build(const std::string& dockerfile) {
    write("app/Dockerfile", dockerfile);
    state->last_registration.reset();
    FakeRuntime runtime(state);
    return build_image(runtime, request, watch);
  }
  void ok(const std::string& dockerfile) {
    const auto image = build(dockerfile);
    INFO((image ? "" : image.error().message));
    REQUIRE(image);
    CHECK(image->name == "app");
    nothing_left();
  }
  Error refusal(const std::string& dockerfile) {
    const auto image = build(dockerfile);
    REQUIRE_FALSE(image);
    CHECK_FALSE(state->last_registration);
    return image.error();
  }
  void nothing_left() const {
    CHECK(state->snapshots.empty());
    for (const auto& record : state->records) CHECK(record.status == registry::SandboxState::kTerminated);
  }
  [[nodiscard]] storage::ImageConfig config() const { return state->last_registration->config.value(); }

  std::shared_ptr<FakeState> state = std::make_shared<FakeState>();
  ImageBuild request;
  BuildWatch watch;
  bool stopped = false;
  std::string kept, found = "other", unpack_fails;
  std::set<std::string> folders;
  Words steps, warnings, made, packed, streams;
  std::vector<ExecOptions> runs;
  std::vector<Words> unpacked;
};

}  // namespace

TEST_CASE_METHOD(Build, "a build runs its commands and registers what is there then") {
  request.arguments = {{"WHO", "you"}, {"UNUSED", "x"}};
  ok("FROM default\nARG WHO=me\nENV GREETING=\"hello $WHO\"\nWORKDIR app\nUSER 1000:staff\nRUN make all\n"
     "SHELL [\"/bin/bash\", \"-c\"]\nRUN [\"./x\", \"y z\"]\nRUN x\nENTRYPOINT [\"/app\"]\nLABEL a=b\n");
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].command == Words{"/bin/sh", "-c", "make all"});
  CHECK(runs[1].command == Words{"./x", "y z"});
  CHECK(runs[2].command == Words{"/bin/bash", "-c", "x"});
  CHECK(runs[0].working_directory == "/workspace/app");
  CHECK(runs[0].user == "1000:1001");
  const std::vector<std::pair<std::string, std::string>> environment = {
      {"GREETING", "hello you"}, {"PATH", "/bin"}, {"WHO", "you"}};
  CHECK(runs[0].environment == environment);
  CHECK(runs[0].signal_use == SignalUse::kHangUp);
  CHECK(made == Words{"/workspace/app 1000:1001"});
  CHECK(config().env == Words{"PATH=/bin", "GREETING=hello you"});
  CHECK(config().user == "1000:1001");
  CHECK(config().entrypoint == Words{"/app"});
  CHECK(config().cmd.empty());
  CHECK(steps.front() == "[1/11] FROM default");
  CHECK(steps[5] == "[6/11] RUN make all");
  CHECK(warnings == Words{"Dockerfile:11: LABEL is ignored: images have no labels",
                          "--build-arg UNUSED: no ARG takes it"});
  CHECK(state->last_create->lifetime == SandboxLifetime::kCreators);
}

TEST_CASE_METHOD(Build, "a command that fails is named with its line, and nothing is left") {
  const Error error = refusal("FROM default AS one\nFROM one\n\nRUN fail\nRUN never\n");
  CHECK(error.message == "Dockerfile:4: RUN fail: exit code 2");
  CHECK(error.code == ErrorCode::kFailure);
  CHECK(runs.size() == 1);
  nothing_left();
  CHECK(refusal("FROM default\nRUN nothing-there\n").message ==
        "Dockerfile:2: RUN nothing-there: nothing-there: not found");
  nothing_left();
}

TEST_CASE_METHOD(Build, "nothing is left when the sandbox, the snapshot or the image cannot be made") {
  state->create_error = Error{ErrorCode::kHostLacks, "no memory", ""};
  CHECK(refusal("FROM default\n").message == "Dockerfile:1: FROM default: no memory");
  state->create_error.reset();
  state->life_cycle_error = Error{ErrorCode::kHostLacks, "no space", ""};
  CHECK(refusal("FROM default\n").code == ErrorCode::kHostLacks);
  nothing_left();
  state->life_cycle_error.reset();
  state->image_error = Error{ErrorCode::kOutOfRange, "no name", ""};
  CHECK(build("FROM default\n").error().message == "no name");
  nothing_left();
}

TEST_CASE_METHOD(Build, "a build that is stopped leaves nothing and begins nothing more") {
  CHECK(refusal("FROM default\nRUN interrupt\nRUN never\n").message ==
        "Dockerfile:2: RUN interrupt: interrupted");
  CHECK(runs.size() == 1);
  nothing_left();
}

TEST_CASE_METHOD(Build, "the sandbox of a failed build can be kept, and only that") {
  request.on_failure = ImageBuild::OnFailure::kKeepFailed;
  refusal("FROM default AS one\nFROM default\nCOPY --from=one /x /y\nRUN fail\n");
  CHECK(state->last_create->lifetime == SandboxLifetime::kOwn);
  std::size_t running = 0;
  for (const auto& record : state->records) {
    if (record.status == registry::SandboxState::kTerminated) continue;
    ++running;
    CHECK(record.sandbox_id == kept);
  }
  CHECK(running == 1);
}

TEST_CASE_METHOD(Build, "everything that a stage begins with is looked for before anything is started") {
  const Error error = refusal("FROM default\nRUN x\nCOPY --from=ubuntu:24.04 /a /b\n");
  CHECK(error.code == ErrorCode::kNotFound);
  CHECK(error.message ==
        "Dockerfile:3: COPY --from=ubuntu:24.04 /a /b: there is no image ubuntu:24.04 on this machine");
  CHECK(error.hint.find("image import docker://ubuntu:24.04") != std::string::npos);
  CHECK(state->records.empty());
}

TEST_CASE_METHOD(Build, "stages that are not needed have no sandbox, and others end when they are over") {
  std::size_t most = 0;
  state->while_creating = [&] {
    const auto alive = std::count_if(state->records.begin(), state->records.end(), [](const auto& record) {
      return record.status != registry::SandboxState::kTerminated;
    });
    most = std::max(most, static_cast<std::size_t>(alive) + 1);
  };
  ok("FROM default AS a\nRUN 1\nFROM default AS unused\nRUN never\nFROM default AS b\nCOPY --from=a x "
     "/y\nFROM default AS c\nCOPY --from=b x /y\n");
  CHECK(state->records.size() == 3);
  CHECK(most == 2);
  CHECK(runs.size() == 1);
}

TEST_CASE_METHOD(Build, "a stage goes on in the sandbox of the one before, or in a copy of it") {
  ok("FROM default AS a\nENV A=1\nFROM a\nRUN x\n");
  CHECK(state->records.size() == 1);
  CHECK(config().env.back() == "A=1");
  state->records.clear();
  ok("FROM default AS a\nFROM a AS b\nRUN x\nFROM a\nCOPY --from=b x /y\n");
  CHECK(state->records.size() == 2);
  state->records.clear();
  ok("FROM default AS a\nFROM a\nCOPY --from=a x /y\n");
  CHECK(state->records.size() == 2);
}

TEST_CASE_METHOD(Build, "a copy goes where Docker puts it") {
  write("app/file", "f");
  write("app/tree/in", "i");
  folders.insert("/there");
  struct Case {
    const char *words, *folder, *top, *content;
  };
  for (const auto& [words, folder, top, content] :
       std::initializer_list<Case>{{"file /new/name", "/new", "plain", "name"},
                                   {"file /new/", "/new", "plain", "file"},
                                   {"file /there", "/there", "plain", "file"},
                                   {"file .", "/workspace", "plain", "file"},
                                   {"file name", "/workspace", "plain", "name"},
                                   {"file /", "/", "plain", "file"},
                                   {"tree /new", "/new", "given", "in"},
                                   {"f?le tree /new/", "/new", "plain", "in"}}) {
    INFO(words);
    unpacked.clear();
    streams.clear();
    ok("FROM default\nCOPY " + std::string(words) + "\n");
    REQUIRE(unpacked.size() == 1);
    CHECK(unpacked[0][0] == folder);
    CHECK(unpacked[0][1] == "0:0");
    CHECK(unpacked[0][2] == top);
    CHECK(streams[0].find(content) != std::string::npos);
  }
  CHECK(refusal("FROM default\nCOPY file tree /new\n").code == ErrorCode::kOutOfRange);
  CHECK(refusal("FROM default\nCOPY none /new\n").code == ErrorCode::kNotFound);
  CHECK(refusal("FROM default\nCOPY --chmod=u+x file /new\n").message.find("octal") != std::string::npos);
  unpack_fails = "tar: no space\x1b[31m";
  CHECK(refusal("FROM default\nCOPY file /new\n").message ==
        "Dockerfile:2: COPY file /new: tar: no space?[31m");
  nothing_left();
}

TEST_CASE_METHOD(Build, "a copy from a stage keeps owners unless it is told others") {
  ok("FROM default AS a\nFROM default\nCOPY --from=a out/* bin/app /usr/bin/\nCOPY --from=other --chown=me "
     "--chmod=755 /x /y\n");
  CHECK(packed == Words{"y", "/x"});
  REQUIRE(unpacked.size() == 2);
  CHECK(unpacked[0] == Words{"/usr/bin", "0:0", "plain", "", "", ""});
  CHECK(unpacked[1] == Words{"/", "1000:1001", "plain", "1000:1001", "755", ""});
  CHECK(streams[0] == "archive of a stage");
  found = "many";
  CHECK(build("FROM default AS a\nFROM default\nCOPY --from=a /x /y\n").error().code ==
        ErrorCode::kOutOfRange);
  found = "folder";
  unpacked.clear();
  ok("FROM default AS a\nFROM default\nCOPY --from=a /x /y\n");
  CHECK(unpacked[0] == Words{"/y", "0:0", "given", "", "", ""});
}

TEST_CASE_METHOD(Build, "a sandbox that answers nonsense is not believed") {
  write("app/file", "f");
  CHECK(refusal("FROM default\nCOPY --chown=evil file /x\n").message.find("makes no sense") !=
        std::string::npos);
  CHECK(refusal("FROM default\nCOPY --chown='a b' file /x\n").code == ErrorCode::kOutOfRange);
  CHECK(refusal("FROM default\nCOPY --chown=a: file /x\n").code == ErrorCode::kOutOfRange);
  nothing_left();
}

TEST_CASE_METHOD(Build, "ADD unpacks archives, and copies everything else") {
  write("app/a.tar.gz", "\x1f\x8b something");
  write("app/plain", "x");
  ok("FROM default\nADD a.tar.gz plain /x/\n");
  REQUIRE(unpacked.size() == 2);
  CHECK(unpacked[0] == Words{"/x", "0:0", "plain", "", "", "gzip"});
  CHECK(streams[0] == "\x1f\x8b something");
  CHECK(unpacked[1].back().empty());
  request.arguments = {{"URL", "https://host/x"}};
  CHECK(build("FROM default\nARG URL\nADD $URL /x\n").error().message.find("ADD of a URL") !=
        std::string::npos);
}
