// SPDX-License-Identifier: Apache-2.0
// Dockerfiles and .dockerignores of any contents: they are refused in one sentence or come to an end within
// the bounds, and no word that is put together leads above its root.
#include <string>

#include "common/check.hpp"
#include "runtime/build/copy_words.hpp"
#include "runtime/build/dockerfile.hpp"
#include "runtime/build/dockerignore.hpp"
#include "runtime/build/glob.hpp"
#include "runtime/build/substitution.hpp"

using namespace tl;
using namespace tl::build;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto ignore = DockerIgnore::parse(text)) {
    static_cast<void>(ignore->leaves_out("a/b.c"));
  }
  const auto file = parse_dockerfile("Dockerfile", text);
  if (!file) {
    TL_CHECK(!file.error().message.empty() && file.error().message.find('\n') == std::string::npos);
    return 0;
  }
  const Lookup lookup = [](std::string_view name) -> std::optional<std::string> {
    return name.size() % 2 == 0 ? std::nullopt : std::optional(std::string(name) + "$A");
  };
  for (const Instruction& each : file->instructions) {
    TL_CHECK(each.line > 0 && !each.text.empty() && each.text.size() <= kMaxInstruction);
    TL_CHECK(shown(each).find('\n') == std::string::npos);
    for (const std::string& word : copy_words(each, file->escape)) {
      const auto expanded = expand(word, file->escape, lookup);
      if (!expanded) continue;
      TL_CHECK(expanded->size() <= 2 * kMaxExpanded);
      for (const std::string& part : path_parts(*expanded)) TL_CHECK(part != ".." && !part.empty());
      static_cast<void>(matches(*expanded, "name"));
    }
  }
  return 0;
}
