// SPDX-License-Identifier: Apache-2.0
#include <linux/kvm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iostream>

#include "runtime/machine/probe/kvm_probe.hpp"
#include "runtime/machine/probe/tcg_probe.hpp"
#include "runtime/machine/probe/verdict.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using Step = ProbeRun::Step;
using Failure = ProbeRun::Failure;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ProbeRun finished(std::uint64_t loop_ns) {
  ProbeRun run;
  run.step = Step::kDone;
  run.loop_ns = loop_ns;
  return run;
}

}  // namespace

TEST_CASE("a guest that ran at a processor's speed to its end is a yes") {
  const Verdict verdict = judge(finished(65'537));  // 2 instructions a nanosecond
  CHECK(verdict.usable);
  CHECK(verdict.reason == "/dev/kvm runs 2000 million instructions a second");
}

TEST_CASE("a guest that ran at an interpreter's speed is a no that names the speed") {
  const Verdict verdict = judge(finished(81'921'250));
  CHECK_FALSE(verdict.usable);
  CHECK(contains(verdict.reason, "1.6 million instructions a second"));
  CHECK_FALSE(verdict.cure.empty());
}

TEST_CASE("the bound between slow and fast is where the header says") {
  const std::uint64_t at_bound = kLoopInstructions * 1'000'000'000U / kLeastInstructionsPerSecond;
  CHECK(judge(finished(at_bound)).usable);
  CHECK_FALSE(judge(finished(at_bound + at_bound / 100)).usable);
}

TEST_CASE("a guest that was killed before the loop's end is a no that bounds the speed") {
  ProbeRun run;
  run.step = Step::kLoop;
  const Verdict verdict = judge(run);
  CHECK_FALSE(verdict.usable);
  CHECK(contains(verdict.reason, "below 0.8 million"));
}

TEST_CASE("an instruction that cannot be emulated is named") {
  ProbeRun run;
  run.step = Step::kXsave;
  run.failure = Failure::kExit;
  run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run.loop_ns = 1000;
  const Verdict verdict = judge(run);
  CHECK_FALSE(verdict.usable);
  CHECK(contains(verdict.reason, "cannot emulate XSAVE"));
}

TEST_CASE("any other exit, a refusal and a hang are a no each") {
  ProbeRun run;
  run.step = Step::kInt3;
  run.failure = Failure::kExit;
  run.exit_reason = KVM_EXIT_SHUTDOWN;
  run.loop_ns = 1000;
  CHECK_FALSE(judge(run).usable);
  CHECK(contains(judge(run).reason, "INT3"));

  run = ProbeRun{};
  run.failure = Failure::kRefused;
  run.error = ENOMEM;
  CHECK_FALSE(judge(run).usable);
  CHECK(contains(judge(run).reason, "Cannot allocate memory"));

  CHECK_FALSE(judge(ProbeRun{}).usable);
  run = finished(1000);
  run.step = Step::kCmpxchg16b;
  CHECK_FALSE(judge(run).usable);
  CHECK(contains(judge(run).reason, "CMPXCHG16B"));
}

TEST_CASE("no device, a forbidden one and one that is not KVM are told apart") {
  const test::TempFolder folder;
  const Verdict missing = probe_kvm((folder.path / "kvm").string());
  CHECK_FALSE(missing.usable);
  CHECK(contains(missing.reason, "No such file"));
  CHECK_FALSE(missing.cure.empty());

  const Verdict other = probe_kvm("/dev/null");
  CHECK_FALSE(other.usable);
  CHECK(contains(other.reason, "/dev/null is not KVM"));

  if (::geteuid() == 0) {
    std::cerr << "skipped: permission denied: root may open everything\n";
    return;
  }
  std::ofstream(folder.path / "kvm").flush();
  REQUIRE(::chmod((folder.path / "kvm").c_str(), 0) == 0);
  CHECK(contains(probe_kvm((folder.path / "kvm").string()).cure, "usermod -aG kvm"));
}

TEST_CASE("the real probe of this host ends soon with a definite verdict that it repeats") {
  const auto before = std::chrono::steady_clock::now();
  const Verdict first = probe_kvm();
  const Verdict second = probe_kvm();
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
  CHECK_FALSE(first.reason.empty());
  CHECK(first.usable == second.usable);
  std::cerr << "kvm on this host: " << (first.usable ? "yes: " : "no: ") << first.reason << '\n';
}

TEST_CASE("QEMU's version is found in what it prints") {
  const auto debian = parse_qemu_version(
      "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022 Fabrice "
      "Bellard\n");
  REQUIRE(debian);
  CHECK(debian->major == 7);
  CHECK(debian->minor == 2);
  CHECK(debian->text == "7.2.22");
  CHECK(debian->full == "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)");
  CHECK(parse_qemu_version("QEMU emulator version 10.0.2\n")->full == "10.0.2");
  CHECK(parse_qemu_version("QEMU emulator version 10.0.2\n")->major == 10);
  CHECK(parse_qemu_version("QEMU emulator version 8.2")->minor == 2);
  for (const char* text :
       {"", "bash 5.2", "QEMU emulator version ", "QEMU emulator version 7", "QEMU emulator version 7.",
        "QEMU emulator version .2", "QEMU emulator version 99999999999999.1"}) {
    INFO(text);
    CHECK_FALSE(parse_qemu_version(text));
  }
}

TEST_CASE("a missing, a strange, an old and a good QEMU are told apart") {
  const test::TempFolder folder;
  const auto program = [&](const std::string& name, const std::string& script) {
    const auto path = folder.path / name;
    std::ofstream(path) << "#!/bin/sh\n" << script << '\n';
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  };
  CHECK(probe_tcg("tl-no-such-qemu").cure == "apt-get install qemu-system-x86");
  CHECK_FALSE(probe_tcg("tl-no-such-qemu").usable);
  CHECK_FALSE(probe_tcg(program("strange", "echo hello")).usable);
  CHECK_FALSE(probe_tcg(program("silent", "exit 1")).usable);
  CHECK_FALSE(probe_tcg(program("endless", "yes")).usable);
  const Verdict old = probe_tcg(program("old", "echo QEMU emulator version 6.2.0"));
  CHECK_FALSE(old.usable);
  CHECK(old.reason == "QEMU 6.2.0 is older than 7.2");
  const Verdict good = probe_tcg(program("good", "echo 'QEMU emulator version 8.2.2 (Debian 1:8.2.2)'"));
  CHECK(good.usable);
  CHECK(good.reason == "QEMU 8.2.2");
  CHECK(good.fingerprint == "QEMU 8.2.2 (Debian 1:8.2.2)");
  CHECK(*qemu_fingerprint(program("good", "echo 'QEMU emulator version 8.2.2 (Debian 1:8.2.2)'")) ==
        good.fingerprint);
  const auto none = qemu_fingerprint(program("old", "echo QEMU emulator version 6.2.0"));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kHostLacks);
}

TEST_CASE("verdicts survive being written and read") {
  const HostVerdicts verdicts{"boot x; \"quoted\" \n",
                              "qemu y",
                              {false, "no: é\xff", "cure"},
                              {true, "QEMU 7.2.22", "", "QEMU 7.2.22 (x)"}};
  const auto read = parse_verdicts(serialize(verdicts));
  REQUIRE(read);
  CHECK(read->kvm_fingerprint == verdicts.kvm_fingerprint);
  CHECK(read->tcg_fingerprint == verdicts.tcg_fingerprint);
  CHECK(read->tcg == verdicts.tcg);
  CHECK(read->kvm.cure == "cure");
}

TEST_CASE("what is not a verdict document is an error") {
  for (const char* text :
       {"", "null", "[]", "{}", R"({"schema": 1})", R"({"schema": 2, "kvm_fingerprint": 3})",
        R"({"schema": 2, "kvm_fingerprint": "x", "tcg_fingerprint": "y", "kvm": {}})",
        R"({"schema": 2, "kvm_fingerprint": "x", "tcg_fingerprint": "y", "kvm": null})"}) {
    INFO(text);
    CHECK_FALSE(parse_verdicts(text));
  }
}

TEST_CASE("the fingerprints are the same when nothing has changed") {
  CHECK(kvm_fingerprint() == kvm_fingerprint());
  CHECK(tcg_fingerprint() == tcg_fingerprint());
  CHECK(contains(tcg_fingerprint(), "qemu "));
}

TEST_CASE("verdicts hold as long as what the request depends on is as it was") {
  HostVerdicts verdicts{kvm_fingerprint(), "another QEMU", {true, "", ""}, {true, "", ""}};
  CHECK(still_holds(verdicts, AcceleratorRequest::kKvm));
  CHECK(still_holds(verdicts, AcceleratorRequest::kAuto));
  CHECK_FALSE(still_holds(verdicts, AcceleratorRequest::kTcg));
  verdicts.kvm.usable = false;
  CHECK_FALSE(still_holds(verdicts, AcceleratorRequest::kAuto));
  verdicts.tcg_fingerprint = tcg_fingerprint();
  CHECK(still_holds(verdicts, AcceleratorRequest::kAuto));
  CHECK(still_holds(verdicts, AcceleratorRequest::kTcg));
  verdicts.kvm_fingerprint = "another boot";
  CHECK_FALSE(still_holds(verdicts, AcceleratorRequest::kKvm));
  CHECK_FALSE(still_holds(verdicts, AcceleratorRequest::kAuto));
}

TEST_CASE("the accelerator is chosen with its reason") {
  HostVerdicts verdicts{
      "", "", {false, "open /dev/kvm: Permission denied", "join kvm"}, {true, "QEMU 7.2.22", ""}};
  const auto automatic = choose_accelerator(AcceleratorRequest::kAuto, verdicts);
  REQUIRE(automatic);
  CHECK(automatic->accelerator == Accelerator::kTcg);
  CHECK(contains(automatic->reason, "Permission denied"));

  const auto kvm = choose_accelerator(AcceleratorRequest::kKvm, verdicts);
  REQUIRE_FALSE(kvm);
  CHECK(kvm.error().code == ErrorCode::kHostLacks);
  CHECK(kvm.error().hint == "join kvm");

  verdicts.tcg = {false, "qemu-system-x86_64: no such program", "install it"};
  const auto tcg = choose_accelerator(AcceleratorRequest::kTcg, verdicts);
  REQUIRE_FALSE(tcg);
  CHECK(tcg.error().hint == "install it");
  const auto none = choose_accelerator(AcceleratorRequest::kAuto, verdicts);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kHostLacks);
  CHECK(contains(none.error().message, "Permission denied"));
  CHECK(contains(none.error().message, "no such program"));
}
