// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "runtime/storage/default_image_apt.hpp"
#include "runtime/storage/default_image_recipe.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::test;
namespace fs = std::filesystem;

namespace {

const HostRelease kBookworm{"debian", "bookworm", "Debian GNU/Linux 12 (bookworm)"};
const HostRelease kNoble{"ubuntu", "noble", "Ubuntu 24.04"};

constexpr const char* kDebianSources = R"(# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
  bookworm-backports
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main
)";

constexpr const char* kStrangers = R"(
deb [arch=amd64 signed-by=/usr/share/keyrings/nodesource.gpg] https://node.example/node_20.x nodistro main
deb https://packages.example/apt cloud-sdk-bookworm main
deb [signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm stable
deb [signed-by=/etc/apt/keyrings/wine.key] https://wine.example/wine-builds/debian/ bookworm main
deb https://pkg.example/ bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb
nonsense
)";

}  // namespace

TEST_CASE("The host's release is read, also of a distribution made from Ubuntu") {
  const auto debian = parse_host_release("ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n");
  REQUIRE(debian);
  CHECK(debian->id == "debian");
  CHECK(debian->codename == "bookworm");
  CHECK(debian->pretty_name == "Debian 12");
  const auto mint = parse_host_release("ID=linuxmint\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n");
  REQUIRE(mint);
  CHECK(mint->id == "ubuntu");
  CHECK(mint->codename == "noble");
  const auto fedora = parse_host_release("ID=fedora\nPRETTY_NAME='Fedora 41'\n");
  REQUIRE_FALSE(fedora);
  CHECK(fedora.error().code == ErrorCode::kHostLacks);
  CHECK(fedora.error().message.find("Fedora 41") != std::string::npos);
  CHECK_FALSE(parse_host_release(""));
}

TEST_CASE(
    "Only the distribution's own entries are taken, and of them the release, its updates and security") {
  const auto own = own_sources(parse_deb822_sources(kDebianSources), kBookworm);
  REQUIRE(own.size() == 2);
  CHECK(own[0].suites == std::vector<std::string>{"bookworm", "bookworm-updates"});
  CHECK(own[0].components == std::vector<std::string>{"main", "non-free-firmware"});
  CHECK(own[1].uris == std::vector<std::string>{"http://mirror.example/debian-security/"});
  CHECK(own_sources(parse_sources_list(kStrangers), kBookworm).empty());
  CHECK(own_sources(parse_deb822_sources(kDebianSources), kNoble).empty());
}

TEST_CASE("The one-line format means the same") {
  const auto own =
      own_sources(parse_sources_list("deb http://mirror.example/debian bookworm main contrib # comment\n"
                                     "deb [trusted=yes] file:/srv/debian bookworm-security main\n"
                                     "deb-src http://mirror.example/debian bookworm main\n"),
                  kBookworm);
  REQUIRE(own.size() == 2);
  CHECK(own[0].components == std::vector<std::string>{"main", "contrib"});
  CHECK(own[1].trusted);
  const auto again = parse_deb822_sources(format_deb822(own));
  REQUIRE(again.size() == 2);
  CHECK(again[0].uris == own[0].uris);
  CHECK(again[1].trusted);
}

TEST_CASE("Ubuntu's components and keyring are Ubuntu's") {
  const auto own =
      own_sources(parse_deb822_sources("Types: deb\nURIs: http://mirror.example/ubuntu/\n"
                                       "Suites: noble noble-updates noble-proposed\n"
                                       "Components: main universe partner\n"
                                       "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n"),
                  kNoble);
  REQUIRE(own.size() == 1);
  CHECK(own[0].suites == std::vector<std::string>{"noble", "noble-updates"});
  CHECK(own[0].components == std::vector<std::string>{"main", "universe"});
}

TEST_CASE("Disabled entries and keys inside the file are left out") {
  CHECK(parse_deb822_sources(
            "Types: deb\nEnabled: no\nURIs: http://a/debian\nSuites: bookworm\nComponents: main\n")
            .empty());
  CHECK(own_sources(
            parse_deb822_sources("Types: deb\nURIs: http://a/debian\nSuites: bookworm\nComponents: main\n"
                                 "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"),
            kBookworm)
            .empty());
}

TEST_CASE("All of a host's files are read, and a host without its own archive is told what to do") {
  const TempFolder apt;
  fs::create_directory(apt.path() / "sources.list.d");
  std::ofstream(apt.path() / "sources.list") << kStrangers;
  const auto none = host_apt_sources(apt.path(), kBookworm);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kHostLacks);
  CHECK_FALSE(none.error().hint.empty());
  std::ofstream(apt.path() / "sources.list.d/debian.sources") << kDebianSources;
  std::ofstream(apt.path() / "sources.list.d/old.list.disabled")
      << "deb http://old.example/debian bookworm main\n";
  const auto text = host_apt_sources(apt.path(), kBookworm);
  REQUIRE(text);
  CHECK(text->find("mirror.example") != std::string::npos);
  CHECK(text->find("node.example") == std::string::npos);
  CHECK(text->find("old.example") == std::string::npos);
  CHECK(text->find("Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg") != std::string::npos);
}

TEST_CASE("The recipe's description changes with all that changes the image") {
  const auto base = default_image_recipe(kBookworm, "sources");
  auto packages = base;
  packages.packages.push_back("vim");
  auto script = base;
  script.customize_script += "true\n";
  CHECK(describe_recipe(base) == describe_recipe(default_image_recipe(kBookworm, "sources")));
  CHECK(describe_recipe(base) != describe_recipe(default_image_recipe(kBookworm, "other sources")));
  CHECK(describe_recipe(base) != describe_recipe(default_image_recipe(kNoble, "sources")));
  CHECK(describe_recipe(base) != describe_recipe(packages));
  CHECK(describe_recipe(base) != describe_recipe(script));
}

TEST_CASE("The customize script refuses the host's own root") {
  const auto script = default_image_recipe(kBookworm, "").customize_script;
  // Only the lines before the first change, so that a mistake here harms nobody.
  const std::string guard = script.substr(0, script.find("chroot ")) + "exit 0\n";
  CHECK(run({"sh", "-c", guard, "sh"}).code != 0);
  CHECK(run({"sh", "-c", guard, "sh", ""}).code != 0);
  CHECK(run({"sh", "-c", guard, "sh", "/"}).code != 0);
  CHECK(run({"sh", "-c", guard, "sh", "/tmp/.."}).code != 0);
  CHECK(run({"sh", "-c", guard, "sh", "/tmp"}).code == 0);
}
