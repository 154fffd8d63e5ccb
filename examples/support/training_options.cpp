#include "examples/support/training_options.h"

namespace tapegrad::examples {

void TrainingOptions::add_options(CommandLine& command_line) {
  data.add_options(command_line);
  command_line.count("--batch-size", batch_size, 1, 50'000, "Images per step")
      .count("--seed", seed, 0, 1'000'000'000, "Seed of the initial weights and of the batches")
      .flag("--sequential", sequential, "Take batches in file order instead of shuffling")
      .choice("--precision", precision, {"float", "double"}, "Numbers to compute in")
      .text("--out", out, "Folder for history.csv, summary.json and weights.safetensors")
      .flag("--quiet", quiet, "Print the final table only");
}

}  // namespace tapegrad::examples
