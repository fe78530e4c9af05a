// SPDX-License-Identifier: Apache-2.0
// Saving and loading with a shell script in the place of QEMU, which fails as a real one does rarely.
#include <csignal>
#include <fstream>

#include "common/child_process.hpp"
#include "runtime/machine/tcg/migration.hpp"
#include "runtime/machine/tcg/saved_state.hpp"
#include "runtime/machine/tcg/tcg_machine.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;

namespace {

// Answers each command with success, but those of which `cases` has another idea: shell patterns on $line,
// with `ok` and `event STATUS` to say something. Commands are numbered as the client numbers them.
std::string script(const std::string& cases) {
  return "say() { printf '%s\\n' \"$1\" >&3; }\n"
         "ok() { say \"{\\\"return\\\": {}, \\\"id\\\": $n}\"; }\n"
         "event() { say \"{\\\"event\\\": \\\"MIGRATION\\\", \\\"data\\\": {\\\"status\\\": \\\"$1\\\"}}\"; "
         "}\n"
         "n=0\n"
         "say '{\"QMP\": {}}'\n"
         "while read -r line <&3; do\n"
         "  case \"$line\" in\n" +
         cases +
         "  *) ok ;;\n"
         "  esac\n"
         "  n=$((n + 1))\n"
         "done\n";
}

struct FakeQemu {
  explicit FakeQemu(const std::string& cases, std::vector<std::byte> saved_state = {}) {
    const auto path = folder.path / "qemu";
    std::ofstream(path) << "#!/bin/sh\n" << script(cases);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    MachineSpec spec;
    spec.initramfs.file = test::memory_file();
    spec.saved_state = std::move(saved_state);
    TcgWiring wiring;
    wiring.memory = test::guest_memory(spec);
    machine =
        *TcgMachine::create(context.get_executor(), std::move(spec), std::move(wiring), log, path.string());
  }
  Result<std::vector<std::byte>> save() {
    REQUIRE(test::run(context, machine->start()));
    REQUIRE(test::run(context, machine->pause()));
    return test::run(context, machine->save());
  }

  test::TempFolder folder;
  asio::io_context context;
  Log log{-1};
  std::unique_ptr<TcgMachine> machine;
};

std::vector<std::byte> some_state() {
  static const std::vector<std::byte> stream(10);
  return serialize({"", stream});
}

}  // namespace

TEST_CASE("a failed save is told with QEMU's reason, and the machine can go on") {
  FakeQemu qemu(
      "*'\"migrate\"'*) ok; event setup; event failed ;;\n"
      "*query-migrate*) say \"{\\\"return\\\": {\\\"error-desc\\\": \\\"no space\\\"}, \\\"id\\\": $n}\" "
      ";;\n");
  const auto saved = qemu.save();
  REQUIRE_FALSE(saved);
  CHECK(saved.error().message == "save the machine: QEMU: no space");
  CHECK(test::run(qemu.context, qemu.machine->resume()));
}

TEST_CASE("a save that QEMU refuses is its complaint, and its file is closed there") {
  FakeQemu qemu(
      "*'\"migrate\"'*) say \"{\\\"error\\\": {\\\"desc\\\": \\\"never\\\"}, \\\"id\\\": $n}\" ;;\n"
      "*closefd*) echo > \"$0.closed\"; ok ;;\n");
  const auto saved = qemu.save();
  REQUIRE_FALSE(saved);
  CHECK(saved.error().message == "save the machine: migrate: QEMU: never");
  CHECK(std::filesystem::exists(qemu.folder.path / "qemu.closed"));
  CHECK(test::run(qemu.context, qemu.machine->resume()));
}

TEST_CASE("a save that says it has completed but has written nothing is an error") {
  FakeQemu qemu("*'\"migrate\"'*) event completed; ok ;;\n");
  const auto saved = qemu.save();
  REQUIRE_FALSE(saved);
  CHECK(saved.error().message == "save the machine: QEMU's state has an impossible size");
}

TEST_CASE("a QEMU that dies while it saves is an error, and the machine's end") {
  FakeQemu qemu("*'\"migrate\"'*) ok; event active; echo 'out of everything' >&2; exit 1 ;;\n");
  CHECK_FALSE(qemu.save());
  const MachineExit exit = test::run(qemu.context, qemu.machine->wait());
  CHECK(exit.detail == "QEMU exited with status 1: out of everything");
}

TEST_CASE("a save that does not end is cancelled after its time") {
  auto ends = stream_socket_pair();
  asio::io_context context;
  std::shared_ptr<Migration> migration;
  const auto client = *QmpClient::create(
      context.get_executor(), std::move(ends->first),
      [&](const std::string& name, const nlohmann::json& data) { migration->on_event(name, data); });
  migration = std::make_shared<Migration>(context.get_executor(), client);
  const test::TempFolder folder;
  ChildSpec spec;
  spec.argv = {"/bin/sh", "-c",
               script("*'\"migrate\"'*) ok; event active ;;\n*migrate_cancel*) event cancelled; ok ;;\n")};
  spec.fds = {{3, ends->second.get()}};
  const auto child = ChildProcess::spawn(spec);
  REQUIRE(child);
  const auto reading = test::begin(context, QmpClient::run(client));
  const auto saved = test::run(context, Migration::save(migration, std::chrono::milliseconds(50)));
  REQUIRE_FALSE(saved);
  CHECK(saved.error().message == "QEMU does not finish");
  client->close();
  context.restart();
  context.run();
}

TEST_CASE("a QEMU that cannot load a state is quoted") {
  FakeQemu qemu("*migrate-incoming*) ok; event failed; echo 'no such device' >&2; exit 1 ;;\n", some_state());
  const auto started = test::run(qemu.context, qemu.machine->start());
  REQUIRE_FALSE(started);
  CHECK(started.error().message == "load the saved machine: QEMU exited with status 1: no such device");
}

TEST_CASE("a QEMU that ends before it loads is quoted") {
  FakeQemu qemu("*migrate-set-capabilities*) echo 'bad option' >&2; exit 1 ;;\n", some_state());
  const auto started = test::run(qemu.context, qemu.machine->start());
  REQUIRE_FALSE(started);
  CHECK(started.error().message == "load the saved machine: QEMU exited with status 1: bad option");
}

TEST_CASE("a saved machine goes on when it has loaded, and not before") {
  FakeQemu qemu(
      "*migrate-incoming*) loading=1; ok; sleep 0.1; event completed; loading= ;;\n"
      "*'\"cont\"'*) if [ -n \"$loading\" ]; then exit 1; fi; echo > \"$0.continued\"; ok ;;\n",
      some_state());
  REQUIRE(test::run(qemu.context, qemu.machine->start()));
  CHECK(std::filesystem::exists(qemu.folder.path / "qemu.continued"));
}

TEST_CASE("destroying a machine that loads ends its start") {
  FakeQemu qemu("*migrate-incoming*) ok; exec sleep 1000 ;;\n", some_state());
  const auto started = test::begin(qemu.context, qemu.machine->start());
  qemu.context.restart();
  qemu.context.run_for(std::chrono::milliseconds(100));
  CHECK_FALSE(started->has_value());
  qemu.machine.reset();
  qemu.context.restart();
  qemu.context.run();
  REQUIRE(started->has_value());
  CHECK_FALSE((*started)->has_value());
}
