// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/context.hpp"
#include "cli/exec_flags.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/resuming.hpp"
#include "cli/signal_relay.hpp"
#include "cli/ssh_config.hpp"
#include "cli/terminal_verbs.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

constexpr int kNotFound = 127;

enum class Task { kTerminal, kConfig, kProxy };

struct Arguments {
  Task task = Task::kTerminal;
  std::string sandbox;
  std::string shell = "/bin/bash";
  std::vector<std::string> shell_arguments;
  ExecOptions options;
};

int print_config(Context& context, const std::string& sandbox) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto access = (*runtime)->ssh_access(sandbox);
  if (!access) return context.fail(access.error());
  context.out().write(ssh_config_text(*access));
  return kSuccess;
}

int serve(Context& context, const std::string& sandbox) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  const auto outcome = (*runtime)->serve_ssh(sandbox, {(*relay)->fd(), tell_of_resuming(context, sandbox)});
  return outcome ? report_outcome(context, *outcome) : context.fail(outcome.error());
}

int ssh(Context& context, Arguments& arguments) {
  if (arguments.task == Task::kConfig) return print_config(context, arguments.sandbox);
  if (arguments.task == Task::kProxy) return serve(context, arguments.sandbox);
  if (!context.in_terminal().is_terminal()) {
    return refuse_without_terminal(context, "tl sbx ssh", "'tl sbx exec' runs a command without one");
  }
  ExecOptions& options = arguments.options;
  const bool shell = options.command.empty();
  if (shell) {
    options.command.push_back(arguments.shell);
    for (auto& word : arguments.shell_arguments) options.command.push_back(std::move(word));
  }
  options.terminal = TerminalUse::kInside;
  options.start_folder = StartFolder::kHome;
  settle_terminal(context, options);
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto relay = SignalRelay::start();
  if (!relay) return context.fail(relay.error());
  options.signals = (*relay)->fd();
  options.progress = tell_of_resuming(context, arguments.sandbox);
  const auto outcome = (*runtime)->exec(arguments.sandbox, options);
  if (!outcome) return context.fail(outcome.error());
  tell_of_session_left(context, arguments.sandbox, *outcome);
  const int exit_code = report_outcome(context, *outcome);
  if (shell && exit_code == kNotFound && !outcome->failure.empty()) {
    context.error().line("hint: 'tl sbx ssh --shell /bin/sh' takes another shell");
  }
  return exit_code;
}

}  // namespace

Command make_ssh() {
  auto arguments = std::make_shared<Arguments>();
  ExecOptions& options = arguments->options;
  Command command;
  command.name = "ssh";
  command.summary = "work in a sandbox, at a terminal";
  command.description =
      "Starts a shell, or COMMAND, in a sandbox, which is resumed first when it is suspended, and joins the "
      "terminal here to it: every key goes there, what comes from there is shown as it is, and the size of "
      "the "
      "window is kept the same. It begins in the home folder of the sandbox's user. The exit code of the "
      "shell "
      "becomes tl's, and the terminal is as it was before.\n\n"
      "No key is special. When tl is ended or its window closed, the shell goes on inside, for 300 seconds, "
      "and "
      "'tl sbx pty attach' comes back to it; so it does after a suspend.\n\n"
      "With --config nothing is started: it prints what OpenSSH's client wants in ~/.ssh/config so that scp, "
      "sftp, rsync and editors get into the sandbox by its name. The image has to have OpenSSH's server, "
      "which need not run. A key pair is made for that in the state folder.";
  command.operands.push_back({.name = "ID",
                              .help = "the sandbox's ID or name",
                              .set = store(arguments->sandbox),
                              .completes = Completes::kSandbox});
  command.flags.push_back({.names = {"-s", "--shell"},
                           .value = "PATH",
                           .help = "the shell (default /bin/bash)",
                           .set = store(arguments->shell)});
  command.flags.push_back({.names = {"--shell-arg"},
                           .value = "WORD",
                           .help = "an argument for the shell; may be repeated",
                           .set = append(arguments->shell_arguments),
                           .repeats = Flag::Repeats::kMany});
  command.flags.push_back({.names = {"-w", "--workdir"},
                           .value = "DIR",
                           .help = "working directory inside (default: the user's home)",
                           .set = store(options.working_directory)});
  command.flags.push_back({.names = {"-e", "--env"},
                           .value = "KEY=VALUE",
                           .help = "set an environment variable; may be repeated",
                           .set = append_assignment(options.environment),
                           .repeats = Flag::Repeats::kMany});
  command.flags.push_back({.names = {"--user"},
                           .value = "USER[:GROUP]",
                           .help = "user inside (default: the image's)",
                           .set = store(options.user)});
  command.flags.push_back({.names = {"--config"},
                           .value = "",
                           .help = "print a Host stanza for OpenSSH's ssh_config(5), and do nothing else",
                           .set = choose(arguments->task, Task::kConfig)});
  command.flags.push_back({.names = {"--proxy"},
                           .value = "",
                           .help = "serve SSH on stdin and stdout: the ProxyCommand of that stanza",
                           .set = choose(arguments->task, Task::kProxy)});
  command.tail = {.name = "COMMAND",
                  .help = "a command and its arguments in place of the shell; flags of tl end here",
                  .set = [&options](std::vector<std::string> words) { options.command = std::move(words); },
                  .needed = Tail::Needed::kNo};
  command.examples = {{"tl sbx ssh my-env", "A shell in my-env."},
                      {"tl sbx ssh my-env --shell-arg -l", "A login shell."},
                      {"tl sbx ssh my-env -- vim notes.txt", "Edit a file in it."},
                      {"tl sbx ssh my-env --config >> ~/.ssh/config", "From now on: scp notes.txt my-env:"}};
  command.exit_statuses = command_statuses();
  command.exit_statuses.insert(command.exit_statuses.begin() + 1, {"2", "stdin is not a terminal"});
  command.failures = Command::Failures::k125;
  command.call = [arguments](Context& context) { return ssh(context, *arguments); };
  return command;
}

}  // namespace tl::cli
