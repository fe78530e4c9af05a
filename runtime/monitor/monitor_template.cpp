// SPDX-License-Identifier: Apache-2.0
// How a monitor leaves a template of the machine that it has just booted: one in which no command runs and
// which nobody has asked anything, so that what is started from it has as little as possible to do and is
// nobody's copy. It costs the first `create` of its kind some time, and saves every later one more.
#include "runtime/monitor/guest_command.hpp"
#include "runtime/monitor/monitor.hpp"
#include "runtime/monitor/template_details.hpp"
#include "runtime/snapshot/first_pages.hpp"
#include "runtime/snapshot/template_store.hpp"

namespace tl::monitor {
namespace {

using namespace std::chrono_literals;

// For a guest that has just booted, on a host that is busy.
constexpr auto kAgentLimit = 30s;
// What templates may take of the host's disk.
constexpr std::uint64_t kTemplateBytes = std::uint64_t{4} << 30;

}  // namespace

asio::awaitable<void> Monitor::warm_up() {
  if (options_.warm_up.empty()) co_return;
  const auto ran = co_await run_in_guest(*agent_, options_.warm_up, kAgentLimit);
  if (!ran) log_.info("{}", ran.error().within("run a first command").message);
}

// What is written by a second command, and at the end of the session, is written in about the same places by
// the first command of a guest that goes on from here: memory that was given back last is given out first.
asio::awaitable<Result<UniqueFd>> Monitor::part_noting(std::string* first_writes) {
  machine::Machine& machine = assembly_->machine();
  const auto noted = machine.note_writes();
  if (noted) co_await warm_up();
  if (!noted && noted.error().code != ErrorCode::kHostLacks) log_.info("{}", noted.error().message);
  // In a guest that is between two sessions the next host need not end the old one first.
  auto link = co_await agent_->part(kAgentLimit);
  if (!noted) co_return link;
  const auto words = machine.noted_writes();
  if (!words) {
    log_.info("{}", words.error().message);
    co_return link;
  }
  snapshot::PageSet pages((std::uint64_t{record_.resources.memory_mb} << 20) / snapshot::kPageBytes);
  if (pages.assign(*words)) *first_writes = snapshot::page_list_text(pages, snapshot::kMaxFirstWrites);
  log_.debug("{} pages are written first", pages.count());
  co_return link;
}

asio::awaitable<Result<void>> Monitor::make_template() {
  auto store = snapshot::TemplateStore::open(options_.home);
  if (!store) {
    log_.info("no template: {}", store.error().message);
    co_return Result<void>();
  }
  auto draft = store->begin(options_.template_key);
  if (!draft) {
    log_.info("no template: {}", draft.error().message);
    co_return Result<void>();
  }
  co_await warm_up();
  std::string first_writes;
  auto link = co_await part_noting(&first_writes);
  if (!link) co_return link.error();
  auto kept = co_await keep_template(draft->path());
  if (kept) kept = store->commit(*std::move(draft), to_json(TemplateDetails{first_writes, ""}));
  if (kept) {
    const auto shrunk = store->shrink_to(kTemplateBytes);
    if (!shrunk) kept = shrunk.error();
  }
  if (!kept) log_.info("no template: {}", kept.error().message);
  auto connected = co_await connect_agent(*std::move(link));
  co_return connected;
}

void Monitor::amend_template() {
  TemplateDetails details = template_details_from(options_.template_details);
  if (options_.origin != Origin::kTemplate || !details.first_reads.empty() || amended_) return;
  amended_ = true;
  const auto pages = assembly_->touched_pages();
  if (!pages) {
    if (pages.error().code != ErrorCode::kHostLacks) log_.info("{}", pages.error().message);
    return;
  }
  details.first_reads = snapshot::page_list_text(*pages, snapshot::kMaxFirstReads);
  log_.debug("{} pages are needed first", pages->count());
  auto store = snapshot::TemplateStore::open(options_.home);
  if (!store) return log_.info("{}", store.error().message);
  const auto amended = store->amend(options_.template_key, to_json(details));
  if (!amended) log_.debug("{}", amended.error().message);
}

}  // namespace tl::monitor
