// The pictures of a replication.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "examples/replication/tables.h"
#include "examples/report/picture.h"

namespace tapegrad::examples {

/// Cost, loss and accuracy over the steps of a training, with the learning rate under them: by the
/// course's method and with the explanation.
report::Picture draw_training(const std::filesystem::path& stem, const Replicated& training);

/// Validation accuracy over lambda in some searches of a report: published, ours with bars of three
/// sigma, and with the explanation.
report::Picture draw_search(const std::filesystem::path& stem,
                            const std::vector<Comparison>& figures);

/// The rows of the first weight matrix as images.
report::Picture draw_templates(const std::filesystem::path& stem, const TrainingRun& run);

/// How far the two-layer network's gradient is from differences of several kinds and from exact
/// derivatives, entry by entry.
report::Picture draw_gradient_errors(const std::filesystem::path& stem, const Dataset& images);

}  // namespace tapegrad::examples
