// The CIFAR-10 data set in its binary form (Krizhevsky, "Learning multiple layers of features from
// tiny images", 2009; https://www.cs.toronto.edu/~kriz/cifar.html).
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/image_set.h"

namespace tapegrad::data {

/// What the labels 0 to 9 stand for.
inline constexpr std::array<std::string_view, 10> cifar10_classes{
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

/// Images in each of the six files.
inline constexpr Index cifar10_records = 10'000;

/// The images of one file: `records` records of 1 label byte and 3072 pixel bytes, and nothing
/// else. Throws FileError when it is not a readable regular file, DataError when it has another
/// size or holds a label above 9.
ImageSet read_cifar10_file(const std::filesystem::path& path, Index records = cifar10_records);

/// The images of data_batch_<b>.bin for each b in `batches`, 1 to 5, in that order. Throws as
/// read_cifar10_file does, and DataError for another number or none.
ImageSet read_cifar10(const std::filesystem::path& folder, std::span<const int> batches,
                      Index records = cifar10_records);

/// The whole data set: the five training batches, the test batch, and the files they came from.
struct Cifar10 {
  ImageSet train;
  ImageSet test;
  std::vector<std::filesystem::path> files;
};

/// Everything in a folder. Throws as read_cifar10_file does.
Cifar10 read_cifar10(const std::filesystem::path& folder, Index records = cifar10_records);

/// The folder that holds the six files: `given` (from --data), else $CIFAR10_DIR when set and not
/// empty, else ./data/cifar-10-batches-bin when it exists, else none. The folder may also be the
/// one that contains cifar-10-batches-bin. Throws DataError when the folder chosen does not exist
/// or lacks one of the files: what somebody asked for is never passed over silently.
std::optional<std::filesystem::path> find_cifar10(
    const std::optional<std::filesystem::path>& given = std::nullopt);

}  // namespace tapegrad::data
