// SPDX-License-Identifier: Apache-2.0
// A port of a running sandbox, here for as long as somebody waits.
#include <optional>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <fmt/format.h>

#include "common/http2/session.hpp"
#include "common/readiness.hpp"
#include "runtime/guest/port_forward.hpp"
#include "runtime/sandbox/limits.hpp"
#include "runtime/sandbox/local_runtime.hpp"

namespace tl {
namespace {

using SessionPtr = std::shared_ptr<http2::Session>;

asio::awaitable<void> run_session(SessionPtr session, std::optional<Result<void>>* over) {
  *over = co_await session->run();
}

asio::awaitable<void> end_at_signal(Readiness* readiness, SessionPtr session) {
  co_await readiness->wait();
  session->close();
}

}  // namespace

Result<void> LocalRuntime::tunnel(const std::string& sandbox, const TunnelRequest& request) {
  const auto remote = check_port(request.remote);
  if (!remote) return remote.error();
  guest::PortForward::Ports ports{*remote, *remote};
  if (request.local == 0u) {
    ports.local = 0;
  } else if (request.local) {
    const auto local = check_port(*request.local);
    if (!local) return local.error();
    ports.local = *local;
  }
  const auto record = find_running(sandbox, request.resume);
  if (!record) return record.error();
  auto control = connect(record->sandbox_id);
  if (!control) return explain_loss(record->sandbox_id, control.error());

  asio::io_context context(1);
  const auto executor = context.get_executor();
  const auto session = http2::Session::create(executor, *std::move(control), http2::Session::Role::kClient);
  const auto forward = guest::PortForward::listen(
      executor, ports, [session](const std::string& path) { return session->request("POST", path); },
      request.refused);
  if (!forward) return forward.error();
  std::optional<Readiness> stop;
  if (request.resume.signals >= 0) {
    auto readable = Readiness::create(executor, request.resume.signals, Readiness::For::kReading);
    if (!readable) return readable.error();
    stop.emplace(*std::move(readable));
    asio::co_spawn(executor, end_at_signal(&*stop, session), asio::detached);
  }
  std::optional<Result<void>> over;
  asio::co_spawn(executor, run_session(session, &over), asio::detached);
  if (request.opened) request.opened((*forward)->ports().local);
  while (!over && context.run_one() > 0) {
  }
  if (over && !*over) return explain_loss(record->sandbox_id, over->error());
  return {};
}

}  // namespace tl
