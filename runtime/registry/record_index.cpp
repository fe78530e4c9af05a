// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/record_index.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
#include <type_traits>

#include "common/check.hpp"
#include "common/io.hpp"

namespace tl::registry {
namespace {

constexpr const char* kFile = ".index";
constexpr std::string_view kMagic = "TLINDEX\n";
constexpr std::size_t kHeaderBytes = 16;
constexpr std::size_t kMaxIndexBytes = 256 << 20;
constexpr std::int64_t kFreshNs = 1'000'000'000;

std::uint64_t digest(std::string_view bytes) {
  std::uint64_t sum = bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), n);
    bytes.remove_prefix(n);
    sum = (sum ^ word) * 0x9e3779b97f4a7c15;
    sum ^= sum >> 32;
  }
  return sum;
}

class Writer {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void operator()(const T& value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void operator()(SandboxState state) { (*this)(static_cast<std::uint8_t>(state)); }
  void operator()(const std::string& text) { put_string(text); }
  void operator()(const Time& time) { (*this)(time.time_since_epoch().count()); }
  template <typename T>
  void operator()(const std::optional<T>& value) {
    (*this)(value.has_value());
    if (value) (*this)(*value);
  }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    (*this)(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) (*this)(value);
  }
  void put_string(std::string_view text) {
    (*this)(static_cast<std::uint32_t>(text.size()));
    bytes_.append(text);
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Past the end everything reads as nothing and good() turns false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T>
  void operator()(T& value) {
    const auto raw = take(sizeof value);
    if (!raw.empty()) std::memcpy(&value, raw.data(), sizeof value);
  }
  void operator()(bool& value) {
    std::uint8_t byte = 0;
    (*this)(byte);
    value = byte != 0;
  }
  void operator()(SandboxState& state) {
    std::uint8_t number = 0;
    (*this)(number);
    good_ = good_ && number <= static_cast<std::uint8_t>(SandboxState::kTerminated);
    if (good_) state = static_cast<SandboxState>(number);
  }
  void operator()(std::string& text) { text = take_string(); }
  void operator()(Time& time) {
    Time::rep count = 0;
    (*this)(count);
    time = Time(Time::duration(count));
  }
  template <typename T>
  void operator()(std::optional<T>& value) {
    std::uint8_t present = 0;
    (*this)(present);
    if (present != 0) (*this)(value.emplace());
  }
  template <typename T>
  void operator()(std::vector<T>& values) {
    std::uint32_t count = 0;
    (*this)(count);
    for (std::uint32_t i = 0; i < count && good_; ++i) (*this)(values.emplace_back());
  }
  std::string_view take_string() {
    std::uint32_t size = 0;
    (*this)(size);
    return take(size);
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    good_ = good_ && size <= rest_.size();
    if (!good_) return {};
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
  bool good_ = true;
};

// The one list of fields, for writing and reading alike. sandbox_id comes first.
template <typename Archive, typename Record>
void fields(Archive& archive, Record& record) {
  archive(record.sandbox_id);
  archive(record.schema.major_version);
  archive(record.schema.minor_version);
  archive(record.name);
  archive(record.status);
  archive(record.image);
  archive(record.image_digest);
  archive(record.resources.cpus);
  archive(record.resources.memory_mb);
  archive(record.resources.disk_mb);
  archive(record.timeout_secs);
  archive(record.idle_timeout_secs);
  archive(record.created_at);
  archive(record.running_since);
  archive(record.ended_at);
  archive(record.reason);
  archive(record.accelerator);
  archive(record.entrypoint);
  archive(record.network.no_internet);
  archive(record.network.allow);
  archive(record.network.deny);
  archive(record.exposed_ports);
  archive(record.snapshot_id);
  archive(record.monitor_pid);
}

template <typename Archive, typename Stamp>
void stamp_fields(Archive& archive, Stamp& stamp) {
  archive(stamp.inode);
  archive(stamp.changed_ns);
  archive(stamp.size);
}

std::vector<char> read_index(int dir_fd) {
  const auto fd = open_at(dir_fd, kFile, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  struct stat status {};
  if (!fd || ::fstat(fd->get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size < kHeaderBytes || size > kMaxIndexBytes) return {};
  std::vector<char> bytes(size);
  if (!read_exact(fd->get(), std::as_writable_bytes(std::span(bytes)))) return {};
  return bytes;
}

}  // namespace

RecordIndex RecordIndex::load(int dir_fd) {
  RecordIndex index;
  index.bytes_ = read_index(dir_fd);
  if (index.bytes_.empty()) return index;
  std::string_view rest(index.bytes_.data(), index.bytes_.size());
  std::uint64_t sum = 0;
  std::memcpy(&sum, rest.data() + kMagic.size(), sizeof sum);
  if (!rest.starts_with(kMagic) || digest(rest.substr(kHeaderBytes)) != sum) return index;
  Reader reader(rest.substr(kHeaderBytes));
  if (reader.take_string() != TL_VERSION) return index;
  constexpr std::size_t kUsualBytes = 256;
  index.places_.reserve(index.bytes_.size() / kUsualBytes);
  while (reader.good() && !reader.at_end()) {
    Reader entry(reader.take_string());
    Place place;
    stamp_fields(entry, place.stamp);
    place.fields = entry.take_string();
    if (entry.good()) index.places_.emplace(place.stamp.inode, place);
  }
  return index;
}

void RecordIndex::save(int dir_fd, const std::vector<FileStamp>& stamps,
                       const std::vector<SandboxRecord>& records) {
  TL_CHECK(stamps.size() == records.size());
  Writer body;
  body.put_string(TL_VERSION);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (is_too_fresh(stamps[i])) continue;
    Writer record;
    fields(record, records[i]);
    Writer entry;
    stamp_fields(entry, stamps[i]);
    entry.put_string(record.bytes());
    body.put_string(entry.bytes());
  }
  Writer header;
  header(digest(body.bytes()));
  [[maybe_unused]] const auto written =
      replace_file(dir_fd, kFile, std::string(kMagic) + header.bytes() + body.bytes(), Durability::kLazy);
}

bool RecordIndex::is_too_fresh(const FileStamp& stamp) {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  const auto present = std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
  return present - stamp.changed_ns < kFreshNs;
}

std::optional<SandboxRecord> RecordIndex::find(const std::string& id, const FileStamp& stamp) const {
  std::optional<SandboxRecord> record;
  const auto found = places_.find(stamp.inode);
  if (found == places_.end() || found->second.stamp != stamp) return record;
  Reader reader(found->second.fields);
  fields(reader, record.emplace());
  if (!reader.good() || !reader.at_end() || record->sandbox_id != id) record.reset();
  return record;
}

}  // namespace tl::registry
