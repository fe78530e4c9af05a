// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/document.hpp"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/time.hpp"
#include "runtime/registry/identifier.hpp"

namespace tl::registry {
namespace {

using nlohmann::json;

// Nobody nests deeper; the library's writer recurses.
constexpr int kMaxDepth = 32;

json parse_json(std::string_view text) {
  int deepest = 0;
  const auto watch = [&deepest](int depth, json::parse_event_t /*event*/, json& /*parsed*/) {
    deepest = std::max(deepest, depth);
    return true;
  };
  json parsed = json::parse(text, watch, false);
  return deepest > kMaxDepth ? json(json::value_t::discarded) : parsed;
}

// Takes fields out of an object; the first that is missing or of the wrong type is remembered, and what
// follows is without effect on the outcome.
class FieldReader {
 public:
  explicit FieldReader(const json& object) : object_(object) {}

  void get(const char* key, std::string& value) {
    if (const json* field = need(key, &json::is_string)) value = field->get_ref<const std::string&>();
  }
  void get(const char* key, bool& value) {
    if (const json* field = need(key, &json::is_boolean)) value = field->get<bool>();
  }
  void get(const char* key, double& value) {
    if (const json* field = need(key, &json::is_number)) value = field->get<double>();
  }
  void get(const char* key, Time& value) {
    std::string text;
    get(key, text);
    if (!problem_.empty()) return;
    if (const auto time = parse_utc(text)) {
      value = *time;
    } else {
      fail(key, "is not a time");
    }
  }
  template <typename Unsigned>
  requires std::is_unsigned_v<Unsigned>
  void get(const char* key, Unsigned& value) {
    if (const json* field = need(key, &json::is_number_unsigned)) value = narrow<Unsigned>(key, *field);
  }
  void get(const char* key, int& value) {
    std::uint32_t number = 0;
    get(key, number);
    if (number > static_cast<std::uint32_t>(std::numeric_limits<int>::max()))
      return fail(key, "is too large");
    value = static_cast<int>(number);
  }
  void get(const char* key, std::vector<std::string>& values) {
    for_each(key, [&](const json& element) {
      if (!element.is_string()) return fail(key, "holds something else than text");
      values.push_back(element.get_ref<const std::string&>());
    });
  }
  void get(const char* key, std::vector<std::uint16_t>& values) {
    for_each(key, [&](const json& element) {
      if (!element.is_number_unsigned()) return fail(key, "holds something else than numbers");
      values.push_back(narrow<std::uint16_t>(key, element));
    });
  }
  // As get, but a field that is missing or null leaves `value` as it is.
  template <typename T>
  void get_optional(const char* key, T& value) {
    if (has(key)) get(key, value);
  }
  template <typename T>
  void get_optional(const char* key, std::optional<T>& value) {
    if (has(key)) get(key, value.emplace());
  }
  // The object of that name; an empty one when it is missing.
  const json& object(const char* key) {
    static const json kNothing = json::object();
    const json* field = need(key, &json::is_object);
    return field != nullptr ? *field : kNothing;
  }
  void fail(const char* key, std::string_view why) {
    if (problem_.empty()) problem_ = fmt::format("`{}` {}", key, why);
  }
  void adopt_problem_of(const FieldReader& part) {
    if (problem_.empty()) problem_ = part.problem_;
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  using TypeCheck = bool (json::*)() const noexcept;

  bool has(const char* key) const {
    const auto found = object_.find(key);
    return found != object_.end() && !found->is_null();
  }
  const json* need(const char* key, TypeCheck is_right_type) {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      fail(key, "is missing");
      return nullptr;
    }
    if (!((*found).*is_right_type)()) {
      fail(key, "has the wrong type");
      return nullptr;
    }
    return &*found;
  }
  template <typename Unsigned>
  Unsigned narrow(const char* key, const json& field) {
    const auto wide = field.get<std::uint64_t>();
    if (wide > std::numeric_limits<Unsigned>::max()) fail(key, "is too large");
    return static_cast<Unsigned>(wide);
  }
  template <typename Each>
  void for_each(const char* key, Each each) {
    const json* field = need(key, &json::is_array);
    if (field == nullptr) return;
    for (const json& element : *field) each(element);
  }

  const json& object_;
  std::string problem_;
};

std::string read_fields(const json& document, const std::string& id, SandboxRecord& record) {
  FieldReader fields(document);
  fields.get("sandbox_id", record.sandbox_id);
  if (record.sandbox_id != id) fields.fail("sandbox_id", "is not that of the file");
  fields.get_optional("name", record.name);
  if (record.name && !is_sandbox_name(*record.name)) fields.fail("name", "is not a sandbox name");
  std::string status;
  fields.get("status", status);
  if (const auto state = state_from_key(status)) {
    record.status = *state;
  } else {
    fields.fail("status", "is not a state");
  }
  fields.get("image", record.image);
  fields.get_optional("image_digest", record.image_digest);
  FieldReader resources(fields.object("resources"));
  resources.get("cpus", record.resources.cpus);
  if (!(record.resources.cpus > 0)) resources.fail("cpus", "is not a number of CPUs");
  resources.get("memory_mb", record.resources.memory_mb);
  resources.get("disk_mb", record.resources.disk_mb);
  fields.adopt_problem_of(resources);
  fields.get_optional("timeout_secs", record.timeout_secs);
  fields.get_optional("idle_timeout_secs", record.idle_timeout_secs);
  fields.get("created_at", record.created_at);
  fields.get_optional("running_since", record.running_since);
  fields.get_optional("ended_at", record.ended_at);
  fields.get_optional("reason", record.reason);
  fields.get_optional("accelerator", record.accelerator);
  fields.get_optional("entrypoint", record.entrypoint);
  FieldReader network(fields.object("network"));
  network.get("no_internet", record.network.no_internet);
  network.get("allow", record.network.allow);
  network.get("deny", record.network.deny);
  fields.adopt_problem_of(network);
  fields.get_optional("exposed_ports", record.exposed_ports);
  fields.get_optional("snapshot_id", record.snapshot_id);
  fields.get_optional("monitor_pid", record.monitor_pid);
  return fields.problem();
}

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}
json time_or_null(const std::optional<Time>& time) {
  return time ? json(format_utc(*time)) : json();
}

// What to lay over a document: null removes a field (RFC 7396).
json patch_of(const SandboxRecord& record) {
  return json{
      {"schema", record.schema.text()},
      {"sandbox_id", record.sandbox_id},
      {"name", record.name ? json(*record.name) : json()},
      {"status", state_key(record.status)},
      {"image", record.image},
      {"image_digest", text_or_null(record.image_digest)},
      {"resources",
       {{"cpus", record.resources.cpus},
        {"memory_mb", record.resources.memory_mb},
        {"disk_mb", record.resources.disk_mb}}},
      {"timeout_secs", record.timeout_secs},
      {"idle_timeout_secs", record.idle_timeout_secs},
      {"created_at", format_utc(record.created_at)},
      {"running_since", time_or_null(record.running_since)},
      {"ended_at", time_or_null(record.ended_at)},
      {"reason", text_or_null(record.reason)},
      {"accelerator", text_or_null(record.accelerator)},
      {"entrypoint", record.entrypoint},
      {"network",
       {{"no_internet", record.network.no_internet},
        {"allow", record.network.allow},
        {"deny", record.network.deny}}},
      {"exposed_ports", record.exposed_ports},
      {"snapshot_id", text_or_null(record.snapshot_id)},
      {"monitor_pid", record.monitor_pid == 0 ? json() : json(record.monitor_pid)},
  };
}

}  // namespace

std::variant<SandboxRecord, DamagedDocument, NewerDocument> parse_document(const std::string& id,
                                                                           std::string_view text) {
  if (text.empty()) return DamagedDocument{"it is empty, as after a power failure"};
  const json document = parse_json(text);
  if (!document.is_object()) return DamagedDocument{"it is not a JSON object"};
  const auto field = document.find("schema");
  if (field == document.end() || !field->is_string()) return DamagedDocument{"it names no schema version"};
  const auto schema = SchemaVersion::parse(field->get_ref<const std::string&>());
  if (!schema || schema->major_version == 0) return DamagedDocument{"its schema version is none of ours"};
  if (schema->major_version > kSchema.major_version) return NewerDocument{schema->text()};

  SandboxRecord record;
  record.schema = *schema;
  std::string problem = read_fields(document, id, record);
  if (problem.empty()) return record;
  if (schema->minor_version > kSchema.minor_version) return NewerDocument{schema->text()};
  return DamagedDocument{std::move(problem)};
}

Result<std::string> format_document(const SandboxRecord& record, std::string_view old_text) {
  json document = old_text.empty() ? json::object() : parse_json(old_text);
  try {
    document.merge_patch(patch_of(record));
    return document.dump(2) + "\n";
  } catch (const json::exception&) {
    return Error{ErrorCode::kOutOfRange, "a value is not valid UTF-8", ""};
  }
}

}  // namespace tl::registry
