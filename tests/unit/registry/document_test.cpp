// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/document.hpp"

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

using nlohmann::json;

std::string text_of(const SandboxRecord& record) {
  const auto text = format_document(record);
  REQUIRE(text);
  return *text;
}

TEST_CASE("a record survives the way through its document") {
  const SandboxRecord full = full_record();
  CHECK(std::get<SandboxRecord>(parse_document(full.sandbox_id, text_of(full))) == full);
  SandboxRecord bare = draft();
  bare.sandbox_id = full.sandbox_id;
  CHECK(std::get<SandboxRecord>(parse_document(bare.sandbox_id, text_of(bare))) == bare);
}

TEST_CASE("a document has the documented field names") {
  const json document = json::parse(text_of(full_record()));
  CHECK(document["schema"] == "1.0");
  CHECK(document["sandbox_id"] == "s7jus08qec4axzgbpq76h");
  CHECK(document["name"] == "web-1");
  CHECK(document["status"] == "terminated");
  CHECK(document["image"].is_string());
  CHECK(document["resources"] == json{{"cpus", 2.5}, {"memory_mb", 4096}, {"disk_mb", 20480}});
  CHECK(document["timeout_secs"] == 5'000'000'000);
  CHECK(document["created_at"] == "2027-01-15T08:00:00.123Z");
  CHECK(document["exposed_ports"] == json{80, 65535});
  SandboxRecord bare = draft();
  bare.sandbox_id = "s7jus08qec4axzgbpq76h";
  CHECK_FALSE(json::parse(text_of(bare)).contains("name"));
}

TEST_CASE("fields of a newer minor version survive a rewrite") {
  SandboxRecord record = full_record();
  json document = json::parse(text_of(record));
  document["schema"] = "1.9";
  document["colour"] = {{"hue", 120}, {"tags", {"a", "b"}}};
  document["resources"]["gpus"] = 2;
  document["network"]["mtu"] = 9000;
  auto read = std::get<SandboxRecord>(parse_document(record.sandbox_id, document.dump()));
  read.name = std::nullopt;
  read.exposed_ports = {1};
  const auto rewritten = format_document(read, document.dump());
  REQUIRE(rewritten);
  json expected = document;
  expected.erase("name");
  expected["exposed_ports"] = {1};
  CHECK(json::parse(*rewritten) == expected);
}

TEST_CASE("a document of a newer major version is told from a damaged one") {
  const SandboxRecord record = full_record();
  json document = json::parse(text_of(record));
  document["schema"] = "2.3";
  document.erase("resources");
  CHECK(std::get<NewerDocument>(parse_document(record.sandbox_id, document.dump())).schema == "2.3");
  // A minor version may not change what is there, but who knows: rather leave it alone than call it damaged.
  document["schema"] = "1.1";
  CHECK(std::holds_alternative<NewerDocument>(parse_document(record.sandbox_id, document.dump())));
  document["schema"] = "1.0";
  CHECK(std::get<DamagedDocument>(parse_document(record.sandbox_id, document.dump())).reason ==
        "`resources` is missing");
}

TEST_CASE("every field of the wrong type makes a document damaged") {
  const SandboxRecord record = full_record();
  const json good = json::parse(text_of(record));
  const json wrong[] = {json::array({json::object()}), json::object(), -1, 1e300, true, "\x01", 1ull << 63};
  const auto check = [&](const json::json_pointer& where) {
    for (const json& value : wrong) {
      json bad = good;
      const bool wide = where.to_string().find("timeout") != std::string::npos;
      const bool may_fit =
          bad[where].type() == value.type() && !value.is_array() && !value.is_number_unsigned();
      if (may_fit || (wide && value.is_number_unsigned())) continue;
      if (bad[where].is_number_float() && value.is_number() && value != -1) continue;
      bad[where] = value;
      INFO(where.to_string() << " = " << value.dump());
      CHECK(std::holds_alternative<DamagedDocument>(parse_document(record.sandbox_id, bad.dump())));
    }
  };
  const json flat = good.flatten();
  for (const auto& [path, value] : flat.items()) {
    check(json::json_pointer(path));
    // The arrays and objects themselves, too.
    const auto parent = json::json_pointer(path).parent_pointer();
    if (!parent.empty()) check(parent);
  }
}

TEST_CASE("no bytes are too strange to be called damaged") {
  const SandboxRecord record = full_record();
  const std::string good = text_of(record);
  for (std::size_t length = 0; length + 2 < good.size(); ++length) {
    INFO("cut to " << length);
    REQUIRE(
        std::holds_alternative<DamagedDocument>(parse_document(record.sandbox_id, good.substr(0, length))));
  }
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto parsed = parse_document(record.sandbox_id, flipped);
    if (const auto* survivor = std::get_if<SandboxRecord>(&parsed)) {
      REQUIRE(survivor->sandbox_id == record.sandbox_id);
      REQUIRE(format_document(*survivor, flipped));
    }
  }
  const std::string deep =
      R"({"schema":"1.0","a":)" + std::string(400'000, '[') + std::string(400'000, ']') + "}";
  const std::string very_deep = std::string(kMaxDocumentBytes, '[');
  for (const std::string& strange :
       {deep, very_deep, std::string(4096, '\0'), std::string("null"), std::string("\"\xff\xfe\""),
        std::string("{}"), std::string("{\"schema\":0}"), std::string("{\"schema\":\"0.1\"}"),
        std::string("{\"schema\":\"1\"}"), std::string("{\"schema\":\"99999999999999999999.0\"}")}) {
    CHECK(std::holds_alternative<DamagedDocument>(parse_document(record.sandbox_id, strange)));
  }
}

TEST_CASE("a document under another sandbox's ID or with a name that is none is damaged") {
  SandboxRecord record = full_record();
  CHECK(std::holds_alternative<DamagedDocument>(parse_document("000000000000000000000", text_of(record))));
  for (const char* name : {"", "../x", "Web", "web-", "s7jus08qec4axzgbpq76h"}) {
    record.name = name;
    CHECK(std::holds_alternative<DamagedDocument>(parse_document(record.sandbox_id, text_of(record))));
  }
}

TEST_CASE("a time that no clock or calendar has is damage") {
  const SandboxRecord record = full_record();
  json document = json::parse(text_of(record));
  for (const char* time : {"3027-01-15T08:00:00.123Z", "1969-12-31T23:59:59.999Z", "2262-01-01T00:00:00.000Z",
                           "2027-13-15T08:00:00.123Z", "2027-00-15T08:00:00.123Z", "2027-01-00T08:00:00.123Z",
                           "2027-01-32T08:00:00.123Z", "2027-01-15T24:00:00.123Z", "2027-01-15T08:60:00.123Z",
                           "2027-01-15T08:00:60.123Z", "2027-01-15 08:00:00.123Z", ""}) {
    document["created_at"] = time;
    CHECK(std::holds_alternative<DamagedDocument>(parse_document(record.sandbox_id, document.dump())));
  }
  document["created_at"] = "2261-12-31T23:59:59.999Z";
  CHECK(std::holds_alternative<SandboxRecord>(parse_document(record.sandbox_id, document.dump())));
}

TEST_CASE("text that JSON cannot hold is refused") {
  SandboxRecord record = full_record();
  record.entrypoint = {"\xff"};
  const auto text = format_document(record);
  REQUIRE_FALSE(text);
  CHECK(text.error().code == ErrorCode::kOutOfRange);
}

}  // namespace
}  // namespace tl::registry
