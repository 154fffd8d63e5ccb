// The images of the benchmarks.
#pragma once

#include <string>
#include <vector>

#include "data/cifar10.h"
#include "data/synthetic.h"

namespace tapegrad::bench {

struct Images {
  data::ImageSet set;
  std::string source;
};

/// The first `batches` training files of CIFAR-10 (1 to 5) where data::find_cifar10 finds them,
/// else as many synthetic images.
inline Images load_images(int batches) {
  if (const auto folder = data::find_cifar10()) {
    std::vector<int> numbers;
    for (int i = 1; i <= batches; ++i) numbers.push_back(i);
    return {data::read_cifar10(*folder, numbers), "CIFAR-10"};
  }
  return {data::synthetic_images(batches * data::cifar10_records, 1), "synthetic images"};
}

}  // namespace tapegrad::bench
