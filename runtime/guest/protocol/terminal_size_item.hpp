// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "runtime/guest/protocol/cbor.hpp"
#include "runtime/guest/protocol/messages.hpp"

// A part of messages that is in more than one. Only the protocol's own sources include this.
namespace tl::guest {

cbor::json size_item(TerminalSize size);
// At least one row and one column.
Result<TerminalSize> take_size(const cbor::json* item, std::string_view field);

}  // namespace tl::guest
