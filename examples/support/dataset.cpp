#include "examples/support/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "data/cifar10.h"
#include "data/synthetic.h"
#include "tensor/error.h"
#include "tensor/sha256.h"

namespace tapegrad::examples {
namespace {

constexpr std::uint64_t train_seed = 1;
constexpr std::uint64_t test_seed = 2;

std::optional<std::filesystem::path> chosen_folder(const DatasetOptions& options) {
  if (options.synthetic && !options.folder.empty()) {
    throw UsageError("--data and --synthetic exclude each other: give one of them");
  }
  if (options.synthetic) return std::nullopt;
  if (!options.folder.empty()) return data::find_cifar10(options.folder);
  return data::find_cifar10();
}

// Images in each of the six batches.
Index batch_images(const DatasetOptions& options,
                   const std::optional<std::filesystem::path>& folder) {
  return folder ? data::cifar10_records : options.synthetic_images;
}

std::string source_text(const DatasetOptions& options,
                        const std::optional<std::filesystem::path>& folder) {
  if (folder) return fmt::format("CIFAR-10 from {}", folder->string());
  return options.synthetic
             ? "synthetic images (--synthetic)"
             : "synthetic images: no CIFAR-10 found; run script/get-cifar10 or give --data";
}

// How many files the training and validation images come from: one more than the training batches
// when there is one, so that validation takes nothing away from training.
Index files_needed(const DatasetOptions& options) {
  return std::min<Index>(options.train_batches + 1, 5);
}

data::ImageSet read_training(const std::filesystem::path& folder, Index count) {
  std::vector<int> batches(static_cast<std::size_t>(count));
  std::iota(batches.begin(), batches.end(), 1);
  return data::read_cifar10(folder, batches);
}

struct Split {
  data::ImageSet train;
  data::ImageSet validation;
};

// Takes the images [begin, begin + n) out as the validation set and keeps the first `begin`, in
// place: the pixels of a whole training set are not copied.
Split cut(data::ImageSet images, Index begin, Index n) {
  data::ImageSet validation = images.slice(begin, begin + n);
  images.pixels.truncate(static_cast<std::size_t>(begin * images.features));
  images.labels.resize(static_cast<std::size_t>(begin));
  return {std::move(images), std::move(validation)};
}

// With batches to spare, validation is the beginning of the next one; else the end of the last.
Split split(data::ImageSet images, Index batch, const DatasetOptions& options) {
  const Index train = options.train_batches * batch;
  if (train < images.size()) {
    const Index n = options.validation > 0 ? options.validation : batch;
    if (n > batch) {
      throw UsageError(
          fmt::format("--validation {}: with --train-batches {} at most {} images are "
                      "left for it, those of the next batch",
                      n, options.train_batches, batch));
    }
    return cut(std::move(images), train, n);
  }
  const Index n = options.validation > 0 ? options.validation : batch / 2;
  if (n >= train) {
    throw UsageError(fmt::format(
        "--validation {}: of {} images at least one has to be left for training", n, train));
  }
  return cut(std::move(images), train - n, n);
}

}  // namespace

void require_batch(Index batch_size, const Dataset& images) {
  if (batch_size <= images.train.size()) return;
  throw UsageError(
      fmt::format("--batch-size {} with {} training images", batch_size, images.train.size()));
}

void DatasetOptions::add_options(CommandLine& command_line) {
  command_line.text("--data", folder,
                    "Folder with the binary CIFAR-10 files; else $CIFAR10_DIR, else "
                    "./data/cifar-10-batches-bin, else synthetic images");
  command_line.flag("--synthetic", synthetic, "Use the built-in synthetic images");
  command_line.count(
      "--synthetic-images", synthetic_images, 100, data::cifar10_records,
      "Images in each synthetic batch, if synthetic ones are used: fewer for a quick trial");
  command_line.count(
      "--train-batches", train_batches, 1, 5,
      "Train on the first so many batches of 10,000 images, or of --synthetic-images");
  command_line.count("--validation", validation, 0, 49'999,
                     "Validation images: the first of the next batch (default 10,000), or with 5 "
                     "batches the last, taken out of training (default 5,000)");
  command_line.choice("--standardize", standardize, {"per-pixel", "per-channel", "global", "none"},
                      "What shares a mean and a standard deviation, of the training images");
}

Dataset load_dataset(const DatasetOptions& options) {
  const auto folder = chosen_folder(options);
  const Index count = files_needed(options);
  const Index batch = batch_images(options, folder);
  Split images = split(
      folder ? read_training(*folder, count) : data::synthetic_images(count * batch, train_seed),
      batch, options);
  TestSet test = load_test_set(options);
  auto standardizer = data::Standardizer::fit(images.train, data::parse_scope(options.standardize));
  std::vector<std::filesystem::path> files;
  if (folder) {
    for (Index i = 1; i <= count; ++i)
      files.push_back(*folder / fmt::format("data_batch_{}.bin", i));
    files.push_back(*folder / "test_batch.bin");
  }
  return {std::move(images.train), std::move(images.validation), std::move(test.images),
          std::move(standardizer), std::move(test.source),       std::move(files)};
}

std::string digest(const data::ImageSet& images) {
  return to_hex(sha256(std::as_bytes(std::span(images.pixels)))) +
         to_hex(sha256(std::as_bytes(std::span(images.labels))));
}

std::string mark(const data::ImageSet& images) {
  return fmt::format("{} images ({})", images.size(), digest(images).substr(0, 16));
}

Dataset load_first_batch(const DatasetOptions& options) {
  const auto folder = chosen_folder(options);
  data::ImageSet images = folder ? read_training(*folder, 1)
                                 : data::synthetic_images(options.synthetic_images, train_seed);
  auto standardizer = data::Standardizer::fit(images, data::parse_scope(options.standardize));
  return {std::move(images), {}, {}, std::move(standardizer), source_text(options, folder), {}};
}

TestSet load_test_set(const DatasetOptions& options) {
  const auto folder = chosen_folder(options);
  if (!folder)
    return {data::synthetic_images(options.synthetic_images, test_seed),
            source_text(options, folder)};
  return {data::read_cifar10_file(*folder / "test_batch.bin"), source_text(options, folder)};
}

}  // namespace tapegrad::examples
