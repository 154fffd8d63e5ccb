#include "data/cifar10.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tensor/error.h"
#include "tensor/file.h"

namespace tapegrad::data {
namespace {

namespace fs = std::filesystem;

constexpr Index image_bytes = 3072;
constexpr Index record_bytes = 1 + image_bytes;
constexpr std::array all_batches{1, 2, 3, 4, 5};
constexpr const char* folder_name = "cifar-10-batches-bin";
constexpr const char* test_file = "test_batch.bin";

std::string batch_file(int batch) { return fmt::format("data_batch_{}.bin", batch); }

std::vector<fs::path> six_files(const fs::path& folder) {
  std::vector<fs::path> files;
  files.reserve(all_batches.size() + 1);
  for (const int batch : all_batches) files.push_back(folder / batch_file(batch));
  files.push_back(folder / test_file);
  return files;
}

void require_size(const InputFile& file, Index records) {
  constexpr Index most = Index{1} << 40;
  if (records < 0 || records > most) {
    throw DataError(fmt::format("cifar10: {} records in a file: need 0 to {}", records, most));
  }
  const Index expected = records * record_bytes;
  if (file.size() == expected) return;
  throw DataError(fmt::format("{} is {} bytes, expected {} ({} records of {}): {}",
                              file.path().string(), file.size(), expected, records, record_bytes,
                              file.size() < expected
                                  ? "truncated download? run script/get-cifar10"
                                  : "not the binary version of CIFAR-10? run script/get-cifar10"));
}

std::int32_t checked_label(const fs::path& path, Index record, std::byte label) {
  const auto value = std::to_integer<std::int32_t>(label);
  if (value < static_cast<std::int32_t>(cifar10_classes.size())) return value;
  throw DataError(fmt::format(
      "{}: record {} (the first is 0) has label {}, expected 0 to 9: not a CIFAR-10 file, or "
      "damaged; move the folder away and run script/get-cifar10",
      path.string(), record, value));
}

// Fills the images from `first` on with a file's records, a block that fits the cache at a time.
void read_records(const fs::path& path, Index records, ImageSet& out, Index first) {
  constexpr Index block = 64;
  const InputFile file(path);
  require_size(file, records);
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(block, records) * record_bytes));
  for (Index begin = 0; begin < records; begin += block) {
    const Index n = std::min(block, records - begin);
    file.read(begin * record_bytes,
              std::span(buffer).first(static_cast<std::size_t>(n * record_bytes)));
    for (Index i = 0; i < n; ++i) {
      const std::byte* record = buffer.data() + i * record_bytes;
      const Index to = first + begin + i;
      out.labels[static_cast<std::size_t>(to)] = checked_label(path, begin + i, record[0]);
      std::copy_n(reinterpret_cast<const std::uint8_t*>(record + 1), image_bytes,
                  out.pixels.begin() + to * image_bytes);
    }
  }
}

ImageSet read_files(std::span<const fs::path> files, Index records) {
  // The sizes first: no memory is taken for files that cannot be right.
  for (const fs::path& file : files) require_size(InputFile(file), records);
  ImageSet set(static_cast<Index>(files.size()) * records, image_bytes);
  Index first = 0;
  for (const fs::path& file : files) {
    read_records(file, records, set, first);
    first += records;
  }
  return set;
}

// `folder`, or the folder of the usual name inside it.
fs::path complete_folder(const fs::path& folder, std::string_view origin) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    throw DataError(fmt::format(
        "cifar10: {} ({}) is not a folder: give the one that holds the six .bin files, or run "
        "script/get-cifar10",
        folder.string(), origin));
  }
  const fs::path inner = folder / folder_name;
  const fs::path& chosen = fs::is_directory(inner, ignored) ? inner : folder;
  for (const fs::path& file : six_files(chosen)) {
    if (fs::exists(file, ignored)) continue;
    throw DataError(fmt::format(
        "cifar10: {} ({}) has no {}: give the folder that holds the six .bin files, or run "
        "script/get-cifar10",
        chosen.string(), origin, file.filename().string()));
  }
  return chosen;
}

}  // namespace

ImageSet read_cifar10_file(const fs::path& path, Index records) {
  return read_files(std::span(&path, 1), records);
}

ImageSet read_cifar10(const fs::path& folder, std::span<const int> batches, Index records) {
  if (batches.empty()) throw DataError("cifar10: no training batch asked for: name 1 to 5");
  std::vector<fs::path> files;
  for (const int batch : batches) {
    if (batch < 1 || batch > 5) {
      throw DataError(fmt::format("cifar10: no training batch {}: there are 1 to 5", batch));
    }
    files.push_back(folder / batch_file(batch));
  }
  return read_files(files, records);
}

Cifar10 read_cifar10(const fs::path& folder, Index records) {
  std::vector<fs::path> files = six_files(folder);
  return {read_cifar10(folder, all_batches, records), read_cifar10_file(files.back(), records),
          std::move(files)};
}

std::optional<fs::path> find_cifar10(const std::optional<fs::path>& given) {
  if (given) return complete_folder(*given, "given by --data");
  const char* variable = std::getenv("CIFAR10_DIR");
  if (variable != nullptr && *variable != '\0') {
    return complete_folder(variable, "given by $CIFAR10_DIR");
  }
  const fs::path usual = fs::path("data") / folder_name;
  std::error_code ignored;
  if (!fs::exists(usual, ignored)) return std::nullopt;
  return complete_folder(usual, "the default");
}

}  // namespace tapegrad::data
