// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/limits.hpp"

#include <limits>

#include "tests/support/catch.hpp"

namespace tl {
namespace {

using namespace std::string_view_literals;

// The check must refuse, name what it refuses and say what would do.
template <typename T>
void check_refused(const Result<T>& result, std::string_view culprit, std::string_view cure) {
  REQUIRE_FALSE(result);
  INFO(result.error().message << " / " << result.error().hint);
  CHECK(result.error().code == ErrorCode::kOutOfRange);
  CHECK(result.error().message.find(culprit) != std::string::npos);
  CHECK(result.error().hint.find(cure) != std::string::npos);
}

TEST_CASE("names follow the rules, and a refusal says which one and what would do") {
  for (const auto good : {"a"sv, "web"sv, "web-1"sv, "a--b"sv, "a1234567890123456789"sv,
                          "a123456789012345678901"sv, "abcdefghij-klmnopqrst"sv}) {
    INFO(good);
    CHECK(check_name(good));
  }
  CHECK(check_name("a" + std::string(62, '1')));
  check_refused(check_name(""), "it is empty", "web-1");
  check_refused(check_name("1web"), "name \"1web\": it must start with a lowercase letter",
                "for example web");
  check_refused(check_name("Web"), "it must start with a lowercase letter", "for example web");
  check_refused(check_name("-web"), "it must start with a lowercase letter", "for example web");
  check_refused(check_name("my_Web"), "only a-z, 0-9 and - may stand in it", "for example my-web");
  check_refused(check_name("größe"), "only a-z, 0-9 and -", "for example gr-e");
  check_refused(check_name("a\nb\x1b[2J"), "\"a?b?[2J\"", "for example a-b-2j");
  check_refused(check_name("web-"), "it must not end with a hyphen", "for example web");
  check_refused(check_name("a" + std::string(63, '1')), "longer than 63", "for example a1");
  check_refused(check_name("abcdefghijklmnopqrstu"), "the form of an ID",
                "for example a-bcdefghijklmnopqrstu");
  check_refused(check_name("../../etc"), "lowercase letter", "for example etc");
  check_refused(check_name("!"), "lowercase letter", "web-1");
}

TEST_CASE("whatever a refused name is mended to is a name") {
  for (int c = 0; c < 256; ++c) {
    const std::string name =
        std::string(1, static_cast<char>(c)) + "A" + std::string(80, static_cast<char>(c));
    const auto refused = check_name(name);
    if (refused) continue;
    const std::string prefix = "for example ";
    REQUIRE(refused.error().hint.starts_with(prefix));
    CHECK(check_name(refused.error().hint.substr(prefix.size())));
  }
}

TEST_CASE("cpus are more than 0 and at most 64") {
  for (const double good : {0.001, 0.5, 1.0, 63.9, 64.0}) CHECK(check_cpus(good));
  check_refused(check_cpus(0), "cpus 0: must be more than 0 and at most 64", "--cpus 1");
  check_refused(check_cpus(-1), "cpus -1", "--cpus 1");
  check_refused(check_cpus(64.1), "cpus 64.1", "--cpus 64");
  check_refused(check_cpus(std::numeric_limits<double>::infinity()), "cpus inf", "--cpus 64");
  check_refused(check_cpus(std::numeric_limits<double>::quiet_NaN()), "cpus nan", "--cpus 1");
}

TEST_CASE("memory goes by cores, and fractions of one round up") {
  CHECK(default_memory_mb(1) == 1024);
  CHECK(default_memory_mb(0.25) == 1024);
  CHECK(default_memory_mb(2) == 2048);
  CHECK(default_memory_mb(2.1) == 3072);
  for (const double cpus : {0.1, 1.0, 1.5, 2.0, 63.01, 64.0}) {
    CHECK(check_memory_mb(default_memory_mb(cpus), cpus));
    CHECK(check_memory_mb(std::uint64_t{cores(cpus)} * 8192, cpus));
    CHECK_FALSE(check_memory_mb(default_memory_mb(cpus) - 1, cpus));
    CHECK_FALSE(check_memory_mb(std::uint64_t{cores(cpus)} * 8192 + 1, cpus));
  }
  check_refused(check_memory_mb(512, 1),
                "memory 512 MB: must be 1024–8192 MB for 1 CPU core (1024–8192 for each)", "--memory 1024");
  check_refused(check_memory_mb(99999, 1.5), "must be 2048–16384 MB for 2 CPU cores", "--memory 16384");
  check_refused(check_memory_mb(std::numeric_limits<std::uint64_t>::max(), 64), "MB", "--memory 524288");
}

TEST_CASE("disks have 10 to 100 GiB") {
  CHECK(check_disk_mb(10240));
  CHECK(check_disk_mb(102400));
  check_refused(check_disk_mb(10239), "disk 10239 MiB: must be 10240–102400 MiB", "--disk_mb 10240");
  check_refused(check_disk_mb(102401), "disk 102401", "--disk_mb 102400");
}

TEST_CASE("timeouts fit any clock, and 0 is none") {
  CHECK(check_timeout_secs("timeout", 0));
  CHECK(check_timeout_secs("timeout", 2'147'483'647));
  check_refused(check_timeout_secs("idle timeout", 2'147'483'648),
                "idle timeout 2147483648: must be 0–2147483647", "0 means none");
}

TEST_CASE("ports are 1 to 65535") {
  CHECK(*check_port(1) == 1);
  CHECK(*check_port(65535) == 65535);
  for (const std::int64_t bad :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{65536}, std::int64_t{1} << 40}) {
    check_refused(check_port(bad), "port " + std::to_string(bad) + ": must be 1–65535", "8080");
  }
}

TEST_CASE("environment variables are KEY=VALUE with any value") {
  using Pair = std::pair<std::string, std::string>;
  CHECK(*parse_env("A=b") == Pair("A", "b"));
  CHECK(*parse_env("A=") == Pair("A", ""));
  CHECK(*parse_env("A=b=c\n\"d\" größer\xff") == Pair("A", "b=c\n\"d\" größer\xff"));
  check_refused(parse_env("A"), "environment \"A\": must be KEY=VALUE", "--env");
  check_refused(parse_env("=b"), "environment \"=b\"", "--env");
  check_refused(parse_env(""), "environment \"\"", "--env");
  check_refused(parse_env("A=b\0c"sv), "\"A=b?c\"", "--env");
}

TEST_CASE("network targets are addresses, CIDR blocks and host names") {
  for (const auto good : {"0.0.0.0"sv, "192.0.2.255"sv, "0.0.0.0/0"sv, "192.0.2.0/24"sv, "192.0.2.1/32"sv,
                          "localhost"sv, "example.com"sv, "EXAMPLE.com"sv, "xn--bcher-kva.example"sv,
                          "4chan.example"sv, "_srv.a"sv, "2001:db8::1"sv, "2001:db8::/32"sv, "::/0"sv}) {
    INFO(good);
    CHECK(check_network_target(good));
  }
  for (const auto bad : {""sv,
                         "192.0.2"sv,
                         "192.0.2.256"sv,
                         "192.0.2.01"sv,
                         "192.0.2.1.1"sv,
                         "192.0.2.0/33"sv,
                         "192.0.2.0/"sv,
                         "192.0.2.0/024"sv,
                         "192.0.2.0/-1"sv,
                         "example.com/24"sv,
                         "a..b"sv,
                         ".a"sv,
                         "a."sv,
                         "-a"sv,
                         "a-"sv,
                         "a b"sv,
                         "*.example.com"sv,
                         "größe.example"sv,
                         "http://example.com"sv,
                         "example.com:80"sv,
                         "a\0b"sv,
                         "2001:db8::/129"sv,
                         "2001:db8::1%eth0"sv,
                         "[::1]"sv,
                         "1234"sv}) {
    INFO(bad);
    check_refused(check_network_target(bad), "network target \"", "example.com");
  }
  CHECK(check_network_target(std::string(63, 'a') + ".example"));
  CHECK_FALSE(check_network_target(std::string(64, 'a') + ".example"));
}

TEST_CASE("a network policy is one thing, and of a size") {
  CHECK(check_network_policy({}));
  CHECK(check_network_policy({.no_internet = true}));
  CHECK(check_network_policy({.allow = {"example.com"}, .deny = {"192.0.2.7"}}));
  check_refused(check_network_policy({.no_internet = true, .allow = {"example.com"}}), "--no-internet",
                "leave");
  check_refused(check_network_policy({.deny = {"example.com/8"}}), "network target \"", "example.com");
  const std::vector<std::string> many(kMaxNetworkTargets + 1, "192.0.2.1");
  check_refused(check_network_policy({.deny = many}), "257 network targets", "CIDR");
}

TEST_CASE("recorded text is UTF-8 without NUL") {
  for (const auto good :
       {""sv, "plain"sv, "größer – \xf0\x9f\x98\x80"sv, "\xf4\x8f\xbf\xbf"sv, "\n\t\x7f"sv}) {
    CHECK(check_text("entrypoint", good));
  }
  for (const auto bad : {"\xff"sv, "\xc0\x80"sv, "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv, "\xf0\x8f\xbf\xbf"sv,
                         "\xf4\x90\x80\x80"sv, "a\xc3"sv, "\xe2\x82"sv, "\x80"sv, "a\0b"sv}) {
    check_refused(check_text("entrypoint", bad), "entrypoint \"", "");
  }
}

TEST_CASE("processes have names that are no numbers, and back-offs of up to a day") {
  CHECK(check_process_name("web-1"));
  for (const auto* bad : {"", "1", "a b", "\x1b[31m"}) {
    check_refused(check_process_name(bad), "process name \"", "web-1");
  }
  CHECK(check_backoff_ms("initial back-off", 1));
  CHECK(check_backoff_ms("initial back-off", 86'400'000));
  check_refused(check_backoff_ms("initial back-off", 0), "initial back-off of 0 ms", "1000");
  check_refused(check_backoff_ms("longest back-off", 86'400'001), "longest back-off", "1000");
}

}  // namespace
}  // namespace tl
