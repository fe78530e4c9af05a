// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/probe/verdict.hpp"

#include <nlohmann/json.hpp>

namespace tl::machine {
namespace {

constexpr int kSchema = 2;

nlohmann::json to_json(const Verdict& verdict) {
  return {{"usable", verdict.usable},
          {"reason", verdict.reason},
          {"cure", verdict.cure},
          {"fingerprint", verdict.fingerprint}};
}

Verdict from_json(const nlohmann::json& json) {
  return Verdict{json.at("usable").get<bool>(), json.at("reason").get<std::string>(),
                 json.at("cure").get<std::string>(), json.at("fingerprint").get<std::string>()};
}

}  // namespace

std::string serialize(const HostVerdicts& verdicts) {
  const nlohmann::json json{{"schema", kSchema},
                            {"kvm_fingerprint", verdicts.kvm_fingerprint},
                            {"tcg_fingerprint", verdicts.tcg_fingerprint},
                            {"kvm", to_json(verdicts.kvm)},
                            {"tcg", to_json(verdicts.tcg)}};
  return json.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<HostVerdicts> parse_verdicts(std::string_view text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("schema").get<int>() != kSchema) {
      return Error{ErrorCode::kFailure, "the host's verdicts are of another version", ""};
    }
    return HostVerdicts{json.at("kvm_fingerprint").get<std::string>(),
                        json.at("tcg_fingerprint").get<std::string>(), from_json(json.at("kvm")),
                        from_json(json.at("tcg"))};
  } catch (const nlohmann::json::exception&) {
    return Error{ErrorCode::kFailure, "the host's verdicts are not readable", ""};
  }
}

}  // namespace tl::machine
