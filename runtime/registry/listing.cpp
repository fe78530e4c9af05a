// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "runtime/registry/document.hpp"
#include "runtime/registry/registry.hpp"

namespace tl::registry {
namespace {

// Below, opening every document costs less than keeping an index.
constexpr std::size_t kIndexWorthwhile = 64;

bool passes(const SandboxRecord& record, ListFilter filter) {
  switch (filter) {
    case ListFilter::kNotTerminated:
      return record.status != SandboxState::kTerminated;
    case ListFilter::kAll:
      return true;
    case ListFilter::kRunning:
      return record.status == SandboxState::kRunning;
    case ListFilter::kSuspended:
      return record.status == SandboxState::kSuspended;
  }
  return true;
}

bool is_newer(const SandboxRecord* a, const SandboxRecord* b) {
  if (a->created_at != b->created_at) return a->created_at > b->created_at;
  return a->sandbox_id < b->sandbox_id;
}

// Those that pass, newest first; each record is moved once, they are large.
std::vector<SandboxRecord> picked(std::vector<SandboxRecord>& records, ListFilter filter) {
  std::vector<SandboxRecord*> order;
  for (SandboxRecord& record : records) {
    if (passes(record, filter)) order.push_back(&record);
  }
  std::sort(order.begin(), order.end(), is_newer);
  std::vector<SandboxRecord> chosen;
  chosen.reserve(order.size());
  for (SandboxRecord* record : order) chosen.push_back(std::move(*record));
  return chosen;
}

}  // namespace

Result<Listing> Registry::list(ListFilter filter) {
  const auto contents = documents_.contents();
  if (!contents) return contents.error();
  Listing listing;
  read_all(contents->ids, listing);

  std::vector<std::string> living;
  for (SandboxRecord& record : listing.records) {
    if (is_dead(record)) {
      // Gone or unreadable by now: then it stays as it was found.
      if (auto corrected = read(record.sandbox_id)) record = *std::move(corrected);
    }
    if (record.status != SandboxState::kTerminated) living.push_back(record.sandbox_id);
  }
  sweep(contents->temp_files, std::move(living));
  sweep_names(listing.records);

  if (filter != ListFilter::kAll) {
    listing.hidden_terminated = static_cast<std::size_t>(std::count_if(
        listing.records.begin(), listing.records.end(),
        [](const SandboxRecord& record) { return record.status == SandboxState::kTerminated; }));
  }
  listing.records = picked(listing.records, filter);
  return listing;
}

// The records as their documents say, from the index where it still agrees with them.
void Registry::read_all(const std::vector<std::string>& ids, Listing& listing) {
  const bool indexed = ids.size() >= kIndexWorthwhile;
  std::optional<RecordIndex> index;
  if (indexed) index = RecordIndex::load(documents_.fd());
  std::vector<FileStamp> stamps;
  stamps.reserve(ids.size());
  listing.records.reserve(ids.size());
  std::vector<std::string> difficult;
  std::size_t missed = 0;
  for (const std::string& id : ids) {
    if (index) {
      const auto stamp = documents_.stamp(id);
      auto record = stamp ? index->find(id, *stamp) : std::nullopt;
      if (record) {
        stamps.push_back(*stamp);
        listing.records.push_back(*std::move(record));
        continue;
      }
    }
    const auto raw = documents_.read(id);
    if (raw && raw->flaw.empty()) {
      auto parsed = parse_document(id, raw->text);
      if (auto* record = std::get_if<SandboxRecord>(&parsed)) {
        if (!RecordIndex::is_too_fresh(raw->stamp)) ++missed;
        stamps.push_back(raw->stamp);
        listing.records.push_back(std::move(*record));
        continue;
      }
    }
    difficult.push_back(id);
  }
  if (indexed && missed > kIndexWorthwhile + ids.size() / 100) {
    RecordIndex::save(documents_.fd(), stamps, listing.records);
  }
  for (const std::string& id : difficult) read_difficult(id, listing);
}

// One that could not be read just now: it is gone, has been replaced since, or is a problem.
void Registry::read_difficult(const std::string& id, Listing& listing) {
  const auto lock = lock_record(id);
  if (!lock) {
    listing.problems.push_back({id, documents_.path_of(id), lock.error().message});
    return;
  }
  ProblemDocument problem;
  auto loaded = load(id, &problem);
  if (loaded) {
    listing.records.push_back(std::move(loaded->record));
  } else if (loaded.error().code != ErrorCode::kNotFound) {
    listing.problems.push_back(std::move(problem));
  }
}

// Removes what interrupted changes left behind.
void Registry::sweep(const std::vector<DocumentFolder::TempFile>& temp_files,
                     std::vector<std::string> living) {
  for (const DocumentFolder::TempFile& file : temp_files) {
    // Whoever is about to rename it holds the lock; the index can be written another time.
    std::optional<FileLock> lock;
    if (!file.id.empty()) {
      auto locked = lock_record(file.id);
      if (!locked) continue;
      lock = *std::move(locked);
    }
    documents_.remove_temp_file(file.name);
  }
  const auto folders = folder_entries(work_.get());
  if (!folders) return;
  std::sort(living.begin(), living.end());
  for (const std::string& id : *folders) {
    const bool lives = std::binary_search(living.begin(), living.end(), id);
    if (!lives && is_sandbox_id(id)) sweep_work(id);
  }
}

void Registry::sweep_work(const std::string& id) {
  const auto lock = lock_record(id);
  // A monitor that is about to end removes its folder itself.
  if (!lock || is_alive(id) || documents_.was_set_aside(id)) return;
  const auto raw = documents_.read(id);
  bool ended = !raw && raw.error().code == ErrorCode::kNotFound;
  if (raw && raw->flaw.empty()) {
    const auto parsed = parse_document(id, raw->text);
    const auto* record = std::get_if<SandboxRecord>(&parsed);
    ended = record != nullptr && record->status == SandboxState::kTerminated;
  }
  if (ended) {
    [[maybe_unused]] const auto removed = remove_work(id);
  }
}

// Of a sandbox that was killed before it had a document, or before it gave up a name.
void Registry::sweep_names(const std::vector<SandboxRecord>& records) {
  const auto names = names_.names();
  if (!names) return;
  std::set<std::string_view> in_use;
  for (const SandboxRecord& record : records) {
    if (record.name && record.status != SandboxState::kTerminated) in_use.insert(*record.name);
  }
  for (const std::string& name : *names) {
    if (in_use.contains(name)) continue;
    const auto lock = lock_names();
    if (!lock) return;
    const auto holder = names_.holder(name);
    if (!holder || !*holder || documents_.was_set_aside(**holder) || !is_stale(name, **holder)) continue;
    [[maybe_unused]] const auto freed = names_.release(name, **holder);
  }
}

}  // namespace tl::registry
