// SPDX-License-Identifier: Apache-2.0
#include "common/data_folders.hpp"
#include "runtime/sandbox/image_info.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/sandbox/stop_request.hpp"
#include "runtime/storage/image_store.hpp"
#include "runtime/storage/oci/layout_export.hpp"

namespace tl {

Result<ExportedImage> LocalRuntime::export_image(const ImageExport& request) {
  const auto images = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!images) return images.error();
  const auto image = images->find(request.name);
  if (!image) return image.error();
  const storage::LongWork work{request.moved,
                               [signals = request.signals] { return is_asked_to_stop(signals); }};
  const auto layout = storage::oci::export_layout(*image, request.tag, request.path, work);
  if (!layout) return layout.error().within("export image " + request.name);
  return ExportedImage{request.path, layout->digest, layout->size_bytes};
}

}  // namespace tl
