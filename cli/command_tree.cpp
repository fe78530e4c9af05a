// SPDX-License-Identifier: Apache-2.0
#include "cli/command_tree.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/exit_statuses.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

Command make_image() {
  Command image;
  image.name = "image";
  image.summary = "work with images, the file systems that sandboxes start from";
  image.description =
      "An image is a root file system, kept once and shared by all sandboxes made from it. The image called "
      "default is made by "
      "'./dev setup' from the packages of this machine's own Debian or Ubuntu release; 'tl sbx image import' "
      "makes "
      "others of container images and root file systems.";
  image.examples = {{"tl sbx image ls", "List the images."},
                    {"tl sbx image import docker://alpine:3", "Get one from a registry."}};
  image.exit_statuses = group_statuses();
  image.subcommands.push_back(make_image_ls());
  image.subcommands.push_back(make_image_import());
  image.subcommands.push_back(make_image_describe());
  image.subcommands.push_back(make_image_rm());
  image.subcommands.push_back(make_image_create());
  image.subcommands.push_back(make_image_register());
  image.subcommands.push_back(make_image_export());
  image.subcommands.push_back(make_image_create_default());
  return image;
}

struct Verb {
  std::string_view name;
  Command (*make)();
};

// As 'tl sbx --help' lists them.
constexpr std::array kVerbs{
    Verb{"create", make_create},
    Verb{"ls", make_ls},
    Verb{"describe", make_describe},
    Verb{"name", make_name},
    Verb{"exec", make_exec},
    Verb{"run", make_run},
    Verb{"cp", make_cp},
    Verb{"ps", make_ps},
    Verb{"logs", make_logs},
    Verb{"kill", make_kill},
    Verb{"restart", make_restart},
    Verb{"ssh", make_ssh},
    Verb{"pty", make_pty},
    Verb{"tunnel", make_tunnel},
    Verb{"port", make_port},
    Verb{"terminate", make_terminate},
    Verb{"suspend", make_suspend},
    Verb{"resume", make_resume},
    Verb{"checkpoint", make_checkpoint},
    Verb{"copy", make_copy},
    Verb{"update", make_update},
    Verb{"image", make_image},
    Verb{"doctor", make_doctor},
    Verb{"prune", make_prune},
};

// With this one only, where it is one.
Command make_sbx(std::string_view verb_typed) {
  Command sbx;
  sbx.name = "sbx";
  sbx.summary = "create sandboxes and run commands in them";
  sbx.description =
      "A sandbox is a small Linux virtual machine on this machine, with its own kernel, processes and disk. "
      "One without a name is "
      "ephemeral: it runs until it is terminated or its timeout strikes. One with a name is found again by "
      "it, and can be suspended, by its timeout too, and resumed. Wherever a sandbox is "
      "meant, its ID or its name will do, and commands may be shortened as long as they stay unambiguous.\n\n"
      "Sandboxes reach the network with the rights of whoever created them, and nobody reaches into them but "
      "by 'tl sbx tunnel'. "
      "They do not reach services that listen on this machine's loopback address only, nor each other. 'tl "
      "sbx create' and 'tl sbx update' say whom they may speak to.";
  sbx.examples = {{"tl sbx run echo hello", "Run one command in a sandbox that is gone afterwards."},
                  {"tl sbx create my-env", "Create a sandbox called my-env."},
                  {"tl sbx exec my-env python3 --version", "Run a command in it."},
                  {"tl sbx ssh my-env", "Work in it."}};
  sbx.exit_statuses = group_statuses();
  const auto* const only =
      std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& verb) { return verb.name == verb_typed; });
  for (const Verb& verb : kVerbs) {
    if (only == kVerbs.end() || &verb == only) sbx.subcommands.push_back(verb.make());
  }
  return sbx;
}

}  // namespace

CommandTree make_command_tree(const std::vector<std::string>& words) {
  CommandTree tree;
  tree.values = std::make_shared<GlobalFlags>();
  RuntimeOptions& options = tree.values->runtime;
  tree.globals.push_back(
      {.names = {"--home"},
       .value = "DIR",
       .help = "keep everything in DIR instead of $TL_HOME, $XDG_STATE_HOME/tl or ~/.local/state/tl",
       .set = store(options.home),
       .completes = Completes::kFolder});
  tree.globals.push_back({.names = {"--debug"},
                          .value = "",
                          .help = "let the sandbox's monitor log every step",
                          .set = choose(options.debug, true)});

  tree.root.name = "tl";
  tree.root.summary = "Linux sandboxes on this machine";
  tree.root.description =
      "tl runs Linux sandboxes as small virtual machines on the machine it is typed on: no server, no "
      "account, no root.";
  tree.root.flags.push_back({.names = {"--version"}, .value = "", .help = "print the version"});
  tree.root.examples = {{"tl sbx --help", "List the sandbox commands."}};
  tree.root.exit_statuses = group_statuses();
  const bool verb_is_next = words.size() > 1 && words[0] == "sbx";
  tree.root.subcommands.push_back(make_sbx(verb_is_next ? words[1] : ""));
  tree.root.subcommands.push_back(make_version());
  return tree;
}

}  // namespace tl::cli
