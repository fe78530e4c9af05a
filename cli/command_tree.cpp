// SPDX-License-Identifier: Apache-2.0
#include "cli/command_tree.hpp"

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

Command make_sbx() {
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
  sbx.subcommands.push_back(make_create());
  sbx.subcommands.push_back(make_ls());
  sbx.subcommands.push_back(make_describe());
  sbx.subcommands.push_back(make_name());
  sbx.subcommands.push_back(make_exec());
  sbx.subcommands.push_back(make_run());
  sbx.subcommands.push_back(make_cp());
  sbx.subcommands.push_back(make_ps());
  sbx.subcommands.push_back(make_logs());
  sbx.subcommands.push_back(make_kill());
  sbx.subcommands.push_back(make_restart());
  sbx.subcommands.push_back(make_ssh());
  sbx.subcommands.push_back(make_pty());
  sbx.subcommands.push_back(make_tunnel());
  sbx.subcommands.push_back(make_port());
  sbx.subcommands.push_back(make_terminate());
  sbx.subcommands.push_back(make_suspend());
  sbx.subcommands.push_back(make_resume());
  sbx.subcommands.push_back(make_checkpoint());
  sbx.subcommands.push_back(make_copy());
  sbx.subcommands.push_back(make_update());
  sbx.subcommands.push_back(make_image());
  sbx.subcommands.push_back(make_doctor());
  sbx.subcommands.push_back(make_prune());
  return sbx;
}

}  // namespace

CommandTree make_command_tree() {
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
  tree.root.subcommands.push_back(make_sbx());
  tree.root.subcommands.push_back(make_version());
  return tree;
}

}  // namespace tl::cli
