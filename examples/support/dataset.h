// The images a program trains on: real CIFAR-10 where it can be found, else the synthetic set.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "data/image_set.h"
#include "data/standardizer.h"
#include "examples/support/command_line.h"

namespace tapegrad::examples {

/// Which images to use; see add_options for what each means.
struct DatasetOptions {
  std::string folder;
  bool synthetic = false;
  Index synthetic_images = 10'000;  // in each of the six batches
  Index train_batches = 1;
  Index validation = 0;
  std::string standardize = "per-pixel";

  void add_options(CommandLine& command_line);
};

/// Training, validation and test images, with the training set's statistics.
struct Dataset {
  data::ImageSet train;
  data::ImageSet validation;
  data::ImageSet test;
  data::Standardizer standardizer;
  std::string source;                        // what was used and why, for people
  std::vector<std::filesystem::path> files;  // empty for the synthetic set
};

/// Reads or makes the images. Throws DataError or FileError for data that is asked for but not
/// there or not right.
Dataset load_dataset(const DatasetOptions& options);

/// Throws UsageError, naming --batch-size, for a batch of more images than there are to train on.
void require_batch(Index batch_size, const Dataset& images);

/// The SHA-256 of a set's pixels and labels, as hexadecimal digits.
std::string digest(const data::ImageSet& images);

/// What tells a set from others, for people: how many images and the beginning of their digest,
/// "10000 images (0123456789abcdef)".
std::string mark(const data::ImageSet& images);

/// The first training batch alone, with its statistics; no validation or test images.
Dataset load_first_batch(const DatasetOptions& options);

/// The test images alone, and where they are from, for people.
struct TestSet {
  data::ImageSet images;
  std::string source;
};
TestSet load_test_set(const DatasetOptions& options);

}  // namespace tapegrad::examples
