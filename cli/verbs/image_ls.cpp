// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "cli/context.hpp"
#include "cli/exit_code.hpp"
#include "cli/exit_statuses.hpp"
#include "cli/image_view.hpp"
#include "cli/sandbox_view.hpp"
#include "cli/values.hpp"
#include "cli/verbs/verbs.hpp"

namespace tl::cli {
namespace {

enum class Form { kTable, kJson };

struct Arguments {
  Form form = Form::kTable;
};

// As much of "sha256:…" as tells images apart.
std::string short_digest(const std::string& digest) {
  constexpr std::size_t kDigits = 12;
  return digest.substr(digest.find(':') + 1, kDigits);
}

void print_table(Context& context, const std::vector<ImageInfo>& images) {
  const Terminal terminal = context.out_terminal();
  Table table({"Name", "Digest", "Size", "System", "Created At"});
  for (const auto& image : images) {
    table.add({image.name, short_digest(image.digest), size(image.size_bytes), image.description,
               age(image.created_at, context.now())});
  }
  if (!terminal.is_terminal() || !images.empty()) context.out().write(table.text(terminal));
  if (!terminal.is_terminal()) return;
  context.out().line(images.empty()
                         ? "No images found."
                         : fmt::format("{} image{}", images.size(), images.size() == 1 ? "" : "s"));
}

void print_json(Context& context, const std::vector<ImageInfo>& images) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& image : images) json.push_back(image_json(image));
  context.out().write(json_text(json));
}

int image_ls(Context& context, const Arguments& arguments) {
  const auto runtime = context.runtime();
  if (!runtime) return context.fail(runtime.error());
  const auto images = (*runtime)->images();
  if (!images) return context.fail(images.error());
  if (arguments.form == Form::kJson) {
    print_json(context, *images);
  } else {
    print_table(context, *images);
  }
  return kSuccess;
}

}  // namespace

Command make_image_ls() {
  auto arguments = std::make_shared<Arguments>();
  Command command;
  command.name = "ls";
  command.aliases = {"list"};
  command.summary = "list images";
  command.description = "Lists the images that 'tl sbx create --image' takes.";
  command.flags.push_back({.names = {"--json"},
                           .value = "",
                           .help = "print a JSON array of images",
                           .set = choose(arguments->form, Form::kJson)});
  command.examples = {{"tl sbx image ls", "List the images."}};
  command.exit_statuses = statuses({});
  command.call = [arguments](Context& context) { return image_ls(context, *arguments); };
  return command;
}

}  // namespace tl::cli
