// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/dns.hpp"

#include <algorithm>

#include "runtime/network/wire.hpp"

namespace tl::network::dns {
namespace {

constexpr std::size_t kHead = 12;
constexpr unsigned kResponse = 0x8000;
constexpr unsigned kOpcodeMask = 0x7800;
constexpr unsigned kRecursionAvailable = 0x0080;
constexpr unsigned kRecursionDesired = 0x0100;
constexpr unsigned kRefused = 5;
constexpr std::size_t kMostName = 255;
constexpr std::size_t kMostRecords = 256;
constexpr std::size_t kMostNames = 32;
constexpr std::uint16_t kInternet = 1;
constexpr std::uint16_t kA = 1;
constexpr std::uint16_t kCname = 5;
constexpr std::uint16_t kAaaa = 28;

char normal(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  return plain ? c : '?';
}

// Reads a message from front to back; everything is nullopt once it is at an end that should not be there.
class Reader {
 public:
  Reader(Message message, std::size_t at) : message_(message), at_(at) {}

  [[nodiscard]] std::size_t at() const { return at_; }

  std::optional<std::uint16_t> number16() {
    if (message_.size() - at_ < 2) return std::nullopt;
    at_ += 2;
    return load16(message_, at_ - 2);
  }
  std::optional<std::uint32_t> number32() {
    if (message_.size() - at_ < 4) return std::nullopt;
    at_ += 4;
    return load32(message_, at_ - 4);
  }
  std::optional<Message> bytes(std::size_t count) {
    if (message_.size() - at_ < count) return std::nullopt;
    at_ += count;
    return message_.subspan(at_ - count, count);
  }
  // A pointer may only lead to what is in front of the name that it ends, or of the last pointer's goal: so
  // there are no loops.
  std::optional<std::string> name() {
    std::string name;
    std::size_t at = at_;
    std::size_t limit = at_;
    bool jumped = false;
    for (;;) {
      if (at >= message_.size()) return std::nullopt;
      const unsigned length = load8(message_, at);
      if (length == 0) {
        if (!jumped) at_ = at + 1;
        return name;
      }
      if (length >= 0xc0) {
        if (message_.size() - at < 2) return std::nullopt;
        const std::size_t goal = load16(message_, at) & 0x3fff;
        if (goal >= limit) return std::nullopt;
        if (!jumped) at_ = at + 2;
        jumped = true;
        limit = at = goal;
        continue;
      }
      if (length > 63 || message_.size() - at - 1 < length) return std::nullopt;
      if (!name.empty()) name += '.';
      for (std::size_t i = 0; i < length; ++i) name += normal(static_cast<char>(load8(message_, at + 1 + i)));
      if (name.size() > kMostName) return std::nullopt;
      at += 1 + length;
    }
  }

 private:
  Message message_;
  std::size_t at_;
};

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::chrono::seconds time_to_live{};
  Message data;
  std::string target;  // of a CNAME
};

std::optional<Record> read_record(Reader& reader, Message message) {
  Record record;
  auto owner = reader.name();
  if (!owner) return std::nullopt;
  record.owner = *std::move(owner);
  const auto type = reader.number16();
  const auto kind = reader.number16();
  const auto time_to_live = reader.number32();
  const auto length = reader.number16();
  if (!type || !kind || !time_to_live || !length) return std::nullopt;
  const std::size_t at = reader.at();
  const auto data = reader.bytes(*length);
  if (!data) return std::nullopt;
  record.type = *kind == kInternet ? *type : std::uint16_t{0};
  record.time_to_live = std::chrono::seconds(*time_to_live);
  record.data = *data;
  if (record.type != kCname) return record;
  auto target = Reader(message, at).name();
  if (!target) return std::nullopt;
  record.target = *std::move(target);
  return record;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// CNAME records may stand in any order.
void follow_aliases(const std::vector<Record>& records, std::vector<std::string>& names) {
  for (bool found = true; found && names.size() < kMostNames;) {
    found = false;
    for (const Record& record : records) {
      if (record.type != kCname || !has(names, record.owner) || has(names, record.target)) continue;
      names.push_back(record.target);
      found = true;
      if (names.size() == kMostNames) return;
    }
  }
}

// The reader stands behind the question then.
std::optional<std::string> read_question(Reader& reader) {
  auto name = reader.name();
  if (!name || !reader.number16() || !reader.number16()) return std::nullopt;
  return name;
}

bool has_one_question(Message message, unsigned response) {
  return message.size() >= kHead && (load16(message, 2) & (kResponse | kOpcodeMask)) == response &&
         load16(message, 4) == 1;
}

}  // namespace

std::string normal_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string result;
  for (const char c : name) result += c == '.' ? c : normal(c);
  return result;
}

std::optional<std::string> question_of(Message query) {
  if (!has_one_question(query, 0)) return std::nullopt;
  Reader reader(query, kHead);
  return read_question(reader);
}

std::optional<Answer> answer_of(Message response) {
  if (!has_one_question(response, kResponse)) return std::nullopt;
  Reader reader(response, kHead);
  auto question = read_question(reader);
  if (!question) return std::nullopt;
  std::vector<Record> records;
  const std::size_t count = std::min<std::size_t>(load16(response, 6), kMostRecords);
  for (std::size_t i = 0; i < count; ++i) {
    auto record = read_record(reader, response);
    if (!record) break;
    records.push_back(*std::move(record));
  }
  Answer answer;
  answer.names.push_back(*std::move(question));
  follow_aliases(records, answer.names);
  for (const Record& record : records) {
    const bool is_address =
        (record.type == kA && record.data.size() == 4) || (record.type == kAaaa && record.data.size() == 16);
    if (is_address && has(answer.names, record.owner))
      answer.addresses.emplace_back(Address::from(record.data), record.time_to_live);
  }
  return answer;
}

std::vector<std::byte> refusal_of(Message query) {
  Reader reader(query, kHead);
  [[maybe_unused]] const auto question = read_question(reader);
  std::vector<std::byte> answer(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(reader.at()));
  const unsigned kept = load16(query, 2) & kRecursionDesired;
  store16(answer, 2, kResponse | kept | kRecursionAvailable | kRefused);
  for (const std::size_t counts : {6, 8, 10}) store16(answer, counts, 0);
  return answer;
}

}  // namespace tl::network::dns
