// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/machine_state.hpp"

#include <fstream>
#include <functional>

#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

const Fingerprint kHere{"kvm", "0.1.0-abc", "sha256:12", "AMD, 1234", std::uint64_t{1} << 30, 2};

struct Saved {
  TempFolder temp;
  UniqueFd folder = open_folder(temp.path());
  std::vector<std::byte> bytes = std::vector<std::byte>(1000, std::byte{7});
  fs::path file = temp.path() / "machine";

  Saved() { must(MachineState::save(folder.get(), kHere, bytes, Durability::kSynced)); }
  [[nodiscard]] Error refusal(const Fingerprint& here = kHere) const {
    const auto loaded = MachineState::load(folder.get(), here);
    REQUIRE_FALSE(loaded);
    return loaded.error();
  }
};

TEST_CASE("a machine's state comes back as it was saved", "[snapshot]") {
  Saved saved;
  CHECK(must(MachineState::load(saved.folder.get(), kHere)) == saved.bytes);
  CHECK(must(MachineState::read_fingerprint(saved.folder.get())) == kHere);
  saved.bytes.clear();
  must(MachineState::save(saved.folder.get(), kHere, saved.bytes, Durability::kLazy));
  CHECK(must(MachineState::load(saved.folder.get(), kHere)).empty());
  must(MachineState::remove(saved.folder.get(), Durability::kSynced));
  must(MachineState::remove(saved.folder.get(), Durability::kSynced));
  CHECK(saved.refusal().code == ErrorCode::kNotFound);
}

TEST_CASE("a state that does not fit says in which field, what it was and what it is", "[snapshot]") {
  const Saved saved;
  struct Case {
    std::function<void(Fingerprint&)> change;
    std::string sentence;
  };
  const Case cases[] = {
      {[](Fingerprint& f) { f.accelerator = "tcg"; }, "the accelerator was kvm, and here it is tcg"},
      {[](Fingerprint& f) { f.build = "2"; }, "tl was 0.1.0-abc, and here it is 2"},
      {[](Fingerprint& f) { f.kernel_digest = "sha256:13"; },
       "the guest's kernel was sha256:12, and here it is sha256:13"},
      {[](Fingerprint& f) { f.cpu = "Intel"; }, "the CPU was AMD, 1234, and here it is Intel"},
      {[](Fingerprint& f) { f.memory_bytes = 4096; },
       "the memory was 1073741824 bytes, and here it is 4096 bytes"},
      {[](Fingerprint& f) { f.vcpus = 4; }, "the number of vCPUs was 2, and here it is 4"},
  };
  for (const Case& each : cases) {
    Fingerprint here = kHere;
    each.change(here);
    const Error error = saved.refusal(here);
    CHECK(error.code == ErrorCode::kHostLacks);
    CHECK(error.message == "the saved machine does not fit: " + each.sentence);
  }
}

TEST_CASE("every flipped bit of a state is noticed", "[snapshot]") {
  const Saved saved;
  const std::string sound = read_text(saved.file);
  // In place: making a file anew for each bit takes hosts a long time.
  std::fstream file(saved.file, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, int value) {
    file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(value)).flush();
    REQUIRE(file.good());
  };
  for (std::size_t at = 0; at < sound.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      put(at, sound[at] ^ 1 << bit);
      REQUIRE(saved.refusal().code == ErrorCode::kFailure);
    }
    put(at, sound[at]);
  }
  CHECK(must(MachineState::load(saved.folder.get(), kHere)) == saved.bytes);
}

TEST_CASE("each kind of damage to a state has its sentence", "[snapshot]") {
  const Saved saved;
  const std::string sound = read_text(saved.file);
  const auto says = [&](const std::string& contents, const std::string& words) {
    write_text(saved.file, contents);
    const Error error = saved.refusal();
    INFO(error.message);
    CHECK(error.code == ErrorCode::kFailure);
    CHECK(error.message.find(words) != std::string::npos);
  };
  for (std::size_t length = sound.size(); length-- > 0;) {
    fs::resize_file(saved.file, length);
    CHECK(saved.refusal().message.find("cut off") != std::string::npos);
  }
  says(sound + "x", "bytes long in place of");
  says("X" + sound.substr(1), "no saved machine");
  std::string other = sound;
  other[8] = 9;
  says(other, "unknown version 9");
  other = sound;
  other.back() = 'x';
  says(other, "does not match its checksum");
  fs::resize_file(saved.file, std::uint64_t{1} << 30);
  CHECK(saved.refusal().message.find("too long") != std::string::npos);
}

TEST_CASE("a state or a text that is too long is not saved", "[snapshot]") {
  const Saved saved;
  const std::vector<std::byte> huge(MachineState::kMaxBytes + 1);
  auto refused = MachineState::save(saved.folder.get(), kHere, huge, Durability::kLazy);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kOutOfRange);
  Fingerprint wordy = kHere;
  wordy.cpu = std::string(MachineState::kMaxText + 1, 'x');
  refused = MachineState::save(saved.folder.get(), wordy, saved.bytes, Durability::kLazy);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kOutOfRange);
  CHECK(must(MachineState::load(saved.folder.get(), kHere)) == saved.bytes);
}

}  // namespace
}  // namespace tl::snapshot::test
