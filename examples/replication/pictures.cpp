#include "examples/replication/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/cifar10.h"
#include "examples/report/charts.h"
#include "examples/report/images.h"
#include "examples/report/training_curves.h"
#include "examples/support/check_network.h"

namespace tapegrad::examples {
namespace {

// The relative error of every entry of a check.
report::Sample errors_of(const std::string& name, const GradcheckReport& check) {
  report::Sample sample{name, {}};
  for (const ParameterCheck& p : check.parameters) {
    for (const GradcheckEntry& e : p.entries) {
      const double scale = std::max(1e-12, std::abs(e.analytic) + std::abs(e.numeric));
      // Equal to the last bit is drawn at the axis's low end instead of being left out.
      sample.values.push_back(std::max(1e-17, std::abs(e.analytic - e.numeric) / scale));
    }
  }
  return sample;
}

}  // namespace

report::Picture draw_training(const std::filesystem::path& stem, const Replicated& training) {
  const Training& t = training.experiment->training;
  const std::vector<report::History> histories{
      {"", training.correct->history}, {", with the explanation", training.explained->history}};
  return report::training_curves(
      {.stem = stem}, histories,
      optim::CyclicLr{.lr_min = t.lr_min, .lr_max = t.lr_max, .half_cycle = t.half_cycle});
}

report::Picture draw_search(const std::filesystem::path& stem,
                            const std::vector<Comparison>& figures) {
  report::Series published{.name = "published", .x = {}, .y = {}, .joined = false};
  report::Series ours{
      .name = "the course's method", .x = {}, .y = {}, .error = {}, .joined = false};
  report::Series explained{
      .name = "with the explanation", .x = {}, .y = {}, .error = {}, .joined = false};
  const auto add = [](report::Series& to, double x, double y, const std::optional<Band>& band) {
    to.x.push_back(x);
    to.y.push_back(y);
    to.error.push_back(band ? 3 * band->sigma : 0);
  };
  for (const Comparison& c : figures) {
    const double lambda = c.figure.experiment->lambda;
    add(ours, lambda, c.correct, c.correct_band);
    add(explained, lambda, c.explained, c.explained_band);
    if (c.figure.published.empty()) continue;
    published.x.push_back(lambda);
    published.y.push_back(parse_published(c.figure.published).value);
  }
  report::Panel panel{.y_label = "validation accuracy", .series = {ours, explained}};
  if (!published.x.empty()) panel.series.push_back(published);
  return report::curves({.stem = stem, .alt = "Validation accuracy over lambda"},
                        {.label = "lambda", .log = true}, {&panel, 1});
}

report::Picture draw_templates(const std::filesystem::path& stem, const TrainingRun& run) {
  const auto parameters = run.network->parameters();
  return report::weight_templates({.stem = stem, .alt = "The weights of each class as images"},
                                  parameters[0].parameter->value(), data::cifar10_classes, 10);
}

report::Picture draw_gradient_errors(const std::filesystem::path& stem, const Dataset& images) {
  CheckProblem problem({}, cut_batch(images.train, images.standardizer, 0, 100, 20), 0.01);
  const auto against = [&](const GradcheckOptions& options) {
    return gradcheck(problem.parameters(), problem.cost(), options);
  };
  const std::vector<report::Sample> samples{
      errors_of("forward difference, h = 1e-6",
                against({.difference = Difference::forward, .h = 1e-6})),
      errors_of("centred difference, h = 1e-5",
                against({.difference = Difference::centred, .h = 1e-5})),
      errors_of("six points, refined", against({})),
      errors_of("exact derivatives", gradcheck(problem.parameters(), problem.cost(), problem.twin(),
                                               GradcheckOptions{}))};
  return report::histograms({.stem = stem, .alt = "Histograms of relative gradient errors"},
                            {.label = "relative error of a gradient's entry", .log = true},
                            "entries", samples, 60);
}

}  // namespace tapegrad::examples
