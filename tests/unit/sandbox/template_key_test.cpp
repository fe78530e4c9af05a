// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/template_key.hpp"

#include <stdlib.h>

#include <fstream>
#include <set>

#include "runtime/snapshot/artefact_store.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
namespace fs = std::filesystem;

namespace {

struct Fixture {
  Fixture() {
    char name[] = "/tmp/tl-sandbox-test-XXXXXX";
    folder = ::mkdtemp(name);
    kernel = folder / "vmlinux";
    std::ofstream(kernel) << "a kernel";
    record.sandbox_id = "s7jus08qec4axzgbpq76h";
    record.image = "default";
    record.image_digest = "sha256:1234";
    record.accelerator = "kvm";
    record.resources = {2, 2048, 10240};
  }
  ~Fixture() { fs::remove_all(folder); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  [[nodiscard]] std::string key() const { return template_key(record, kernel, cpu); }

  fs::path folder;
  fs::path kernel;
  registry::SandboxRecord record;
  std::string cpu = "AuthenticAMD 25.1.1 1f2e3d4c";
};

}  // namespace

TEST_CASE_METHOD(Fixture, "what is made alike has the same template, whatever it is called and lets in") {
  const std::string first = key();
  CHECK(first == key());
  record.sandbox_id = "0123456789abcdefghijk";
  record.name = "web";
  record.image = "another-name-of-it";
  record.timeout_secs = 60;
  record.entrypoint = {"sleep", "1"};
  record.network.no_internet = true;
  record.exposed_ports = {80};
  record.monitor_pid = 7;
  record.reason = "memory lost";
  // The machine's shape counts, not the share of the host's CPUs that it may use.
  record.resources.cpus = 1.5;
  CHECK(key() == first);
}

TEST_CASE_METHOD(Fixture, "a difference that a machine notices makes another template") {
  std::set<std::string> keys{key()};
  const auto is_new = [&] { return keys.insert(key()).second; };
  record.image_digest = "sha256:1235";
  CHECK(is_new());
  record.accelerator = "tcg";
  CHECK(is_new());
  cpu = "AuthenticAMD 25.1.1 1f2e3d4d";
  CHECK(is_new());
  record.resources.cpus = 3;
  CHECK(is_new());
  record.resources.memory_mb = 4096;
  CHECK(is_new());
  record.resources.disk_mb = 20480;
  CHECK(is_new());
  CHECK(keys.size() == 7);
}

TEST_CASE_METHOD(Fixture,
                 "another kernel makes another template, also one of the same size in the same place") {
  const std::string first = key();
  // As an update does: written aside, and put in its place.
  std::ofstream(folder / "new") << "b kernel";
  fs::rename(folder / "new", kernel);
  CHECK(key() != first);
  const std::string second = key();
  std::ofstream(kernel, std::ios::app) << "longer";
  CHECK(key() != second);
  // Without any, there is a key all the same: creating says what is wrong.
  fs::remove(kernel);
  CHECK(key() != second);
}

TEST_CASE_METHOD(Fixture, "a template's key can be the name of a folder") {
  CHECK(key().starts_with("kvm-"));
  CHECK(snapshot::ArtefactStore::is_key(key()));
  record.image_digest = "../../..";
  cpu = "a/b\n";
  CHECK(snapshot::ArtefactStore::is_key(key()));
}
