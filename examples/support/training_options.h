// The options that both assignments' programs have.
#pragma once

#include <string>

#include "data/loader.h"
#include "examples/support/command_line.h"
#include "examples/support/dataset.h"

namespace tapegrad::examples {

struct TrainingOptions {
  DatasetOptions data;
  Index batch_size = 100;
  Index seed = 1;
  bool sequential = false;
  std::string precision = "float";
  std::string out;
  bool quiet = false;

  void add_options(CommandLine& command_line);

  data::Order order() const { return sequential ? data::Order::sequential : data::Order::shuffled; }
};

}  // namespace tapegrad::examples
