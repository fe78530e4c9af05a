// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "runtime/guest/protocol/cbor.hpp"
#include "runtime/guest/protocol/detachment.hpp"

// Parts of messages that are in more than one. Only the protocol's own sources include this.
namespace tl::guest {

cbor::json detachment_item(const Detachment& detach);
Result<Detachment> take_detachment(const cbor::json& item);
// Empty, or a name.
Result<std::string> take_process_name(const cbor::json* item);
cbor::json restart_item(Detachment::Restart restart);
Result<Detachment::Restart> take_restart(const cbor::json* item);

}  // namespace tl::guest
