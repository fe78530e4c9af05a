// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/image_build.hpp"

#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/build/build_files.hpp"
#include "runtime/build/build_sandboxes.hpp"
#include "runtime/build/stage_runner.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kShownBytes = 200;

// A stage that has been begun.
struct Begun {
  Guest guest;
  StageState state;
};

class Builder {
 public:
  Builder(Runtime& runtime, const ImageBuild& build, const BuildWatch& watch, const BuildFiles& files,
          BuildPlan plan)
      : runtime_(runtime),
        build_(build),
        watch_(watch),
        file_(files.dockerfile),
        plan_(std::move(plan)),
        sandboxes_(runtime, watch, build.machine,
                   build.on_failure == ImageBuild::OnFailure::kEndAll ? BuildSandboxes::Lifetime::kBuilds
                                                                      : BuildSandboxes::Lifetime::kMayBeKept),
        parts_{file_,         plan_, build.arguments,
               files.context, watch, [this](const CopySource& source) { return find_source(source); }} {}

  Result<ImageInfo> run(const std::string& name) {
    // Not after all the work.
    const auto old = runtime_.image_config(name);
    if (!old && old.error().code == ErrorCode::kOutOfRange) return old.error();
    if (auto known = find_images(); !known) return known.error();
    for (const std::string& warning : plan_.warnings) watch_.warn(warning);
    steps_.all = plan_.steps();
    for (const std::size_t index : plan_.order) {
      if (auto built = run_stage_at(index); !built) return built.error();
    }
    warn_of_unused();
    const Begun& target = stages_.at(plan_.order.back());
    watch_.step("Saving the image " + make_printable(name, kShownBytes));
    const auto snapshot = sandboxes_.freeze(target.guest);
    if (!snapshot) return snapshot.error();
    if (auto on = watch_.go_on(); !on) return on.error();
    ImageRegistration registration{name, *snapshot, target.state.config(), watch_.signals, watch_.moved};
    auto image = runtime_.register_image(registration, watch_.progress);
    if (auto on = watch_.go_on(); !image && !on) return on.error();
    return image;
  }

 private:
  // All that stages begin with, and that is copied from, before anything is started.
  Result<void> find_images() {
    for (const std::size_t index : plan_.order) {
      const Stage& stage = plan_.stages[index];
      if (!stage.base) {
        if (auto known = find_image(stage.image); !known) return file_.at(*stage.from, known.error());
      }
      for (const auto& [instruction, source] : stage.sources) {
        if (source.stage) continue;
        if (auto known = find_image(source.image); !known) return file_.at(*instruction, known.error());
      }
    }
    return {};
  }

  Result<void> find_image(const std::string& image) {
    auto config = runtime_.image_config(image);
    if (config) {
      images_[image] = *std::move(config);
      return {};
    }
    if (config.error().code != ErrorCode::kNotFound) return config.error();
    const std::string shown = make_printable(image, kShownBytes);
    return Error{
        ErrorCode::kNotFound, "there is no image " + shown + " on this machine",
        fmt::format(
            "'tl sbx image ls' shows those there are; 'tl sbx image import docker://{0} --name {0}' gets "
            "one from a registry",
            shown)};
  }

  Result<void> run_stage_at(std::size_t index) {
    const Stage& stage = plan_.stages[index];
    steps_.begin(*stage.from, watch_);
    auto begun = begin(index);
    if (!begun) return file_.at(*stage.from, begun.error());
    auto& [guest, state] = stages_.insert_or_assign(index, *std::move(begun)).first->second;
    const auto done = run_stage(parts_, stage, state, guest, steps_);
    used_.insert(state.used().begin(), state.used().end());
    if (!done) {
      keep_failed(guest);
      return done;
    }
    end_unneeded(index);
    return {};
  }

  Result<Begun> begin(std::size_t index) {
    const Stage& stage = plan_.stages[index];
    if (!stage.base) {
      auto guest = sandboxes_.from_image(stage.image);
      if (!guest) return guest.error();
      return Begun{*std::move(guest), StageState(images_.at(stage.image))};
    }
    const Begun base = stages_.at(*stage.base);
    // Nobody else needs it: it goes on as this one.
    if (plan_.last_use(*stage.base) == index && !stage.copies_from(*stage.base)) {
      stages_.erase(*stage.base);
      return Begun{base.guest, base.state.as_base()};
    }
    auto guest = sandboxes_.from_guest(base.guest);
    if (!guest) return guest.error();
    return Begun{*std::move(guest), base.state.as_base()};
  }

  Result<Guest> find_source(const CopySource& source) {
    if (source.stage) return stages_.at(*source.stage).guest;
    if (const auto found = image_guests_.find(source.image); found != image_guests_.end())
      return found->second;
    auto guest = sandboxes_.from_image(source.image);
    if (guest) image_guests_.emplace(source.image, *guest);
    return guest;
  }

  void end_unneeded(std::size_t done) {
    for (auto each = stages_.begin(); each != stages_.end();) {
      const auto last = plan_.last_use(each->first);
      const bool is_over = each->first != plan_.order.back() && (!last || *last <= done);
      if (is_over) sandboxes_.end(each->second.guest);
      each = is_over ? stages_.erase(each) : std::next(each);
    }
  }

  void keep_failed(const Guest& guest) {
    if (build_.on_failure != ImageBuild::OnFailure::kKeepFailed || watch_.stopped()) return;
    sandboxes_.keep(guest);
    watch_.kept(guest.sandbox());
  }

  void warn_of_unused() {
    for (const auto& [name, value] : build_.arguments) {
      if (used_.count(name) == 0 && plan_.global.count(name) == 0)
        watch_.warn("--build-arg " + make_printable(name, kShownBytes) + ": no ARG takes it");
    }
  }

  Runtime& runtime_;
  const ImageBuild& build_;
  const BuildWatch& watch_;
  const Dockerfile& file_;
  BuildPlan plan_;
  BuildSandboxes sandboxes_;
  BuildParts parts_;
  std::map<std::string, storage::ImageConfig> images_;
  std::map<std::size_t, Begun> stages_;  // those whose sandbox is there
  std::map<std::string, Guest> image_guests_;
  std::set<std::string> used_;
  StepCount steps_;
};

}  // namespace

Result<ImageInfo> build_image(Runtime& runtime, const ImageBuild& build, const BuildWatch& watch) {
  const auto files = open_build(build.path, build.file);
  if (!files) return files.error();
  auto plan = plan_build(files->dockerfile, build.arguments, build.target);
  if (!plan) return plan.error();
  return Builder(runtime, build, watch, *files, *std::move(plan)).run(build.name.value_or(files->name));
}

}  // namespace tl::build
