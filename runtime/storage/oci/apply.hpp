// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "runtime/storage/decompression.hpp"
#include "runtime/storage/ext4_builder.hpp"
#include "runtime/storage/import_watch.hpp"
#include "runtime/storage/oci/plan.hpp"

namespace tl::storage::oci {

// Unpacks the plan's layers one over the other, each verified by size and digest, its contents by the
// config's diff_id. What they unpack to, headers and all that is overwritten again included, is taken from
// the budget. Errors name the layer.
Result<void> apply(Ext4Builder& builder, ImageFiles& files, const Plan& plan, UnpackingBudget& budget,
                   const ImportWatch& watch);

}  // namespace tl::storage::oci
