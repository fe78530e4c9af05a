// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "cli/docs/generate.hpp"
#include "common/io.hpp"

namespace {

using tl::Result;

Result<void> write_files(const std::string& folder, const std::map<std::string, std::string>& files) {
  ::mkdir(folder.c_str(), 0755);  // when it fails, opening the files in it does, and says why
  for (const auto& [name, text] : files) {
    const auto file = tl::open_at(AT_FDCWD, (std::filesystem::path(folder) / name).string(),
                                  O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (!file) return file.error();
    if (const auto written = tl::write_all(file->get(), text); !written) return written.error();
  }
  return {};
}

Result<void> write_all_docs(const std::string& folder) {
  const auto tree = tl::cli::make_command_tree();
  const std::map<std::string, std::string> completions = {{"tl.bash", tl::cli::docs::bash_completion(tree)},
                                                          {"_tl", tl::cli::docs::zsh_completion(tree)},
                                                          {"tl.fish", tl::cli::docs::fish_completion(tree)}};
  if (auto written = write_files(folder + "/completions", completions); !written) return written;
  return write_files(folder + "/man", tl::cli::docs::man_pages(tree));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: tl-docs DIR, which then has completions/ and man/\n", stderr);
    return 2;
  }
  const auto written = write_all_docs(argv[1]);
  if (written) return 0;
  std::fprintf(stderr, "Error: %s\n", written.error().message.c_str());
  return 1;
}
