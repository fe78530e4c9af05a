// SPDX-License-Identifier: Apache-2.0
#include "common/time.hpp"

#include <limits>

#include "tests/support/catch.hpp"

using namespace tl;
using namespace std::chrono;
using Point = system_clock::time_point;

TEST_CASE("a time is written as people and programs know it, with milliseconds") {
  CHECK(format_utc(Point()) == "1970-01-01T00:00:00.000Z");
  CHECK(format_utc(Point(sys_days(2026y / 11 / 23)) + 17h + 20min + 32s + 123ms + 999us) ==
        "2026-11-23T17:20:32.123Z");
}

TEST_CASE("a time is the same after it has been written and read, on any day") {
  for (sys_days day = 1970y / 1 / 1; day <= sys_days(2261y / 12 / 31); day += days(1)) {
    const Point time = Point(day) + 23h + 59min + 59s + 999ms;
    const auto again = parse_utc(format_utc(time));
    if (!again || *again != time) FAIL(format_utc(time));
  }
}

TEST_CASE("the 29th of February is there in leap years only") {
  for (const char* good :
       {"2024-02-29T00:00:00.000Z", "2000-02-29T00:00:00.000Z", "1972-02-29T12:00:00.000Z"}) {
    INFO(good);
    const auto time = parse_utc(good);
    REQUIRE(time);
    CHECK(format_utc(*time) == good);
  }
  for (const char* bad :
       {"2023-02-29T00:00:00.000Z", "2100-02-29T00:00:00.000Z", "2026-02-29T00:00:00.000Z"}) {
    INFO(bad);
    CHECK_FALSE(parse_utc(bad));
  }
}

TEST_CASE("what no calendar or clock has is refused by name") {
  for (const char* bad : {"2026-02-31T00:00:00.000Z", "2026-04-31T00:00:00.000Z", "2026-00-01T00:00:00.000Z",
                          "2026-13-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z", "2026-01-32T00:00:00.000Z",
                          "2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z",
                          "1969-12-31T23:59:59.999Z", "2262-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z",
                          "0000-01-01T00:00:00.000Z"}) {
    INFO(bad);
    const auto time = parse_utc(bad);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == ErrorCode::kOutOfRange);
    CHECK(time.error().message.find(bad) != std::string::npos);
  }
}

TEST_CASE("any other spelling is no time") {
  using namespace std::string_view_literals;
  for (const auto bad :
       {""sv, "2026-11-23"sv, "2026-11-23T17:20:32Z"sv, "2026-11-23T17:20:32.123"sv,
        "2026-11-23 17:20:32.123Z"sv, "2026-11-23T17:20:32,123Z"sv, "2026-11-23t17:20:32.123z"sv,
        "2026-11-23T17:20:32.123+00:00"sv, " 2026-11-23T17:20:32.123Z"sv, "2026-11-23T17:20:32.123Z "sv,
        "2026-11-23T17:20:32.123Z\0"sv, "2026-+1-23T17:20:32.123Z"sv, "2026-11-23T-7:20:32.123Z"sv,
        "2026-11-23T17:20:32.12\xffZ"sv}) {
    INFO(bad);
    const auto time = parse_utc(bad);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == ErrorCode::kOutOfRange);
  }
}
