// A search for the penalty: eight trainings of assignment 2's network on 45,000 images, two at a
// time, through optim::search and in other libraries.
#include <fmt/format.h>

#include <algorithm>

#include "bench/support/clock.h"
#include "bench/support/contender.h"
#include "bench/support/images.h"
#include "bench/support/options.h"
#include "bench/support/report.h"
#include "examples/support/training_run.h"
#include "optim/search.h"

namespace {

using namespace tapegrad;
using namespace tapegrad::bench;

constexpr Index workers = 2, lambdas = 8, together = 2, half_cycle = 900, validation = 5000,
                whole_search = 3600;
const std::string eigen = "Eigen", torch = "PyTorch, 2 processes";

std::vector<optim::Setting> settings() {
  const optim::Axis lambda{"lambda", 1e-5, 1e-1};
  return optim::grid({&lambda, 1}, lambdas);
}

// As the lambda_search program does it, measuring on the validation images at both ends.
Turn search_ours(const examples::Dataset& images, Index steps) {
  const Stopwatch watch;
  const auto rows =
      optim::search(settings(),
                    [&](std::span<const optim::Trial> trials) {
                      std::vector<examples::TrainingPlan> plans;
                      for (const optim::Trial& trial : trials) {
                        plans.push_back({.lambda = trial.values[0],
                                         .half_cycle = half_cycle,
                                         .steps = steps,
                                         .test_at_end = false,
                                         .seed = trial.seed});
                      }
                      std::vector<double> accuracies;
                      for (const auto& run : examples::train_together(plans, images)) {
                        accuracies.push_back(run.value().history.back().validation.accuracy);
                      }
                      return accuracies;
                    },
                    together, {.workers = workers, .validation_images = images.validation.size()});
  return {watch.wall(), watch.processor(), 0,
          fmt::format("best lambda {:.2g}, validation accuracy {:.3f}", rows.front().values[0],
                      rows.front().mean)};
}

std::string request(Index steps) {
  std::string text = fmt::format("search {} {} {}", workers, steps, half_cycle);
  for (const optim::Setting& setting : settings()) text += fmt::format(" {}", setting[0]);
  return text;
}

examples::Dataset make_dataset(const Images& images) {
  data::ImageSet train = images.set.first(images.set.size() - validation);
  auto standardizer = data::Standardizer::fit(train);
  return {std::move(train),
          images.set.last(validation),
          {},
          std::move(standardizer),
          images.source,
          {}};
}

std::vector<double> each(const std::vector<Turn>& turns, double Turn::*what) {
  std::vector<double> list;
  for (const Turn& turn : turns) list.push_back(turn.*what);
  return list;
}

double least(const std::vector<double>& list) {
  return *std::min_element(list.begin(), list.end());
}

void print_row(const std::string& name, const std::vector<Turn>& turns,
               const std::vector<Turn>& ours) {
  const auto wall = each(turns, &Turn::wall);
  const auto processor = each(turns, &Turn::processor);
  fmt::print("  {:<22} {:>9.2f} {:>9.2f} {:>9.2f} {:>10.2f} {:>10.2f}\n", name, median(wall),
             least(wall), median(processor), paired_ratio(turns, ours, Clock::wall),
             paired_ratio(turns, ours, Clock::processor));
}

// Workers wait for nothing, so that on cores of their own they take their share of the processor
// time; when others use the cores too, wall time says more about those.
void print_targets(const std::vector<Turn>& ours, const std::vector<Contender>& contenders,
                   const std::vector<std::vector<Turn>>& turns, Index steps) {
  if (steps == whole_search) {
    print_target("search, wall", least(each(ours, &Turn::wall)), Bound::at_most, 4.9, "s");
    print_target("search, a worker's processor time",
                 median(each(ours, &Turn::processor)) / workers, Bound::at_most, 4.9, "s");
  }
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const std::string& name = contenders[i].name();
    if (name != eigen && name != torch) continue;
    print_target(name + " / tapegrad", paired_ratio(turns[i], ours, Clock::processor),
                 Bound::at_least, name == eigen ? 1.5 : 2.0, "");
  }
}

void run(const Counts& counts) {
  const Index steps = counts.at("steps");
  fmt::print("{}\n", machine_description());
  const Images images = load_images(5);
  const examples::Dataset dataset = make_dataset(images);
  fmt::print("{} {}, {} lambdas x {} steps, {} workers, {} rounds\n", dataset.train.size(),
             images.source, lambdas, steps, workers, counts.at("rounds"));
  const Problem problem = make_problem(dataset.train, dataset.standardizer, {3072, 50, 10}, 100);
  std::vector<Contender> contenders =
      start_all({{"products, OpenBLAS", {peer_program("floor"), "openblas"}},
                 {"products, our own", {peer_program("floor"), "own"}},
                 {"BLAS by hand", {peer_program("blas_loop")}},
                 {eigen, {peer_program("eigen")}},
                 {torch, peer_script("pytorch_step.py")}},
                problem);

  std::vector<Turn> ours;
  std::vector<std::vector<Turn>> turns(contenders.size());
  for (int round = 0; round < counts.at("rounds"); ++round) {
    ours.push_back(search_ours(dataset, steps));
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      turns[i].push_back(contenders[i].ask(request(steps)));
    }
  }
  fmt::print("\n  {:<22} {:>9} {:>9} {:>9} {:>10} {:>10}\n", "seconds", "wall", "min wall",
             "processor", "wall/ours", "proc./ours");
  print_row("tapegrad", ours, ours);
  for (std::size_t i = 0; i < turns.size(); ++i) print_row(contenders[i].name(), turns[i], ours);
  fmt::print("  {}\n\n", ours.back().note);

  print_targets(ours, contenders, turns, steps);
}

}  // namespace

int main(int argc, char** argv) {
  return main_with_counts(argc, argv, {{"rounds", 3}, {"steps", whole_search}}, run);
}
