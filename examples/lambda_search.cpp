// Searches for the penalty of the two-layer network, from coarse to fine, and tests the best once.
#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <optional>

#include "examples/report/charts.h"
#include "examples/report/gnuplot.h"
#include "examples/support/checkpoint_options.h"
#include "examples/support/print.h"
#include "examples/support/run_folder.h"
#include "examples/support/training_options.h"
#include "examples/support/training_run.h"
#include "optim/lint.h"
#include "optim/progress.h"
#include "optim/search.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/parallel.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

// Trainings that take turns on a thread: the next batch is gathered once for all of them. More
// would save little more, and lose more when the program is killed.
constexpr Index together = 2;

DatasetOptions all_batches() {
  DatasetOptions options;
  options.train_batches = 5;
  return options;
}

struct Options {
  DatasetOptions data = all_batches();
  double low = 1e-5;
  double high = 1e-1;
  std::string sampling = "grid";
  Index points = 8;
  Index cycles = 2;
  Index half_cycle = 0;
  Index fine_points = 8;
  Index fine_cycles = 3;
  double fine_width = 0.25;
  Index final_cycles = 3;
  Index hidden = 50;
  Index batch_size = 100;
  bool sequential = false;
  Index repetitions = 1;
  Index halving = 1;
  Index seed = 1;
  Index jobs = processor_count();
  CheckpointOptions checkpoint;  // of trainings; scores of finished ones are in the journals
  std::string out = "runs/lambda_search";
  bool quiet = false;

  void add_options(CommandLine& command_line);

  // Two epochs, as the assignment asks, unless the user says otherwise.
  Index half_cycle_for(const Dataset& images) const {
    return half_cycle > 0 ? half_cycle : 2 * (images.train.size() / batch_size);
  }

  TrainingPlan plan(const Dataset& images, double lambda, Index n_cycles, std::uint64_t s) const {
    const Index n_s = half_cycle_for(images);
    return {.scope = data::parse_scope(data.standardize),
            .hidden = hidden,
            .lambda = lambda,
            .half_cycle = n_s,
            .steps = 2 * n_s * n_cycles,
            .batch_size = batch_size,
            .order = sequential ? data::Order::sequential : data::Order::shuffled,
            .test_at_end = false,
            .seed = s};
  }
};

void Options::add_options(CommandLine& command_line) {
  data.add_options(command_line);
  command_line.number("--low", low, 1e-300, 1e6, "Smallest lambda of the coarse search")
      .number("--high", high, 1e-300, 1e6, "Largest lambda of the coarse search")
      .choice("--sampling", sampling, {"grid", "random"},
              "Coarse lambdas: evenly spread or drawn, both on a logarithmic scale")
      .count("--points", points, 1, 100'000, "Lambdas in the coarse search")
      .count("--cycles", cycles, 1, 1000, "Cycles per training in the coarse search")
      .count("--half-cycle", half_cycle, 0, 1'000'000,
             "Steps from lowest to highest learning "
             "rate; 0: two epochs")
      .count("--fine-points", fine_points, 0, 100'000,
             "Lambdas drawn around the best for the fine search; 0: no fine search")
      .count("--fine-cycles", fine_cycles, 1, 1000, "Cycles per training in the fine search")
      .number("--fine-width", fine_width, 1e-6, 1,
              "The fine range as a share of the coarse one, in decades")
      .count("--final-cycles", final_cycles, 0, 1000,
             "Cycles of the final training with the best lambda, tested at its end; 0: none")
      .count("--hidden", hidden, 1, 100'000, "Nodes in the hidden layer")
      .count("--batch-size", batch_size, 1, 50'000, "Images per step")
      .flag("--sequential", sequential, "Take batches in file order instead of shuffling")
      .count("--seeds", repetitions, 1, 1000, "Trainings per lambda, with seeds from --seed on")
      .count("--halving", halving, 1, 100,
             "Successive halving: train all on few cycles, keep the "
             "best 1/N, on N times as many, and so on; 1: off")
      .count("--seed", seed, 0, 1'000'000'000, "Seed of weights, batches and random lambdas")
      .count("--jobs", jobs, 1, 256,
             "Threads that train, up to two trainings in turn on each; the tables do not depend "
             "on it")
      .text("--out", out, "Folder for the tables, the final training and its weights")
      .flag("--quiet", quiet, "Print the tables only");
  checkpoint.add_options(command_line);
}

// What a stage's journal belongs to: everything that the scores depend on.
std::string subject(const Options& o, const Dataset& images, const std::string& stage,
                    const optim::Axis& axis, Index settings, Index cycles) {
  return fmt::format(
      "lambda_search {}: {}, {} to validate, standardized {}, {} lambdas ({}) of {} .. {}, "
      "{} cycles at half-cycle {}, hidden {}, batch {}, {}, seed {}",
      stage, mark(images.train), mark(images.validation), o.data.standardize, settings, o.sampling,
      axis.low, axis.high, cycles, o.half_cycle_for(images), o.hidden, o.batch_size,
      o.sequential ? "sequential" : "shuffled", o.seed);
}

std::filesystem::path journal_of(const Options& options, const std::string& stage) {
  return std::filesystem::path(options.out) / (stage + ".journal");
}

// Whether there is something to go on with. What this search would not go on with, or lose, is an
// error now, and not when the coarse search is through.
bool find_unfinished(const Options& options) {
  std::vector<std::string> found;
  for (const char* stage : {"coarse", "fine"}) {
    const std::filesystem::path journal = journal_of(options, stage);
    require_replaceable(journal);
    if (may_exist(journal)) found.push_back(journal.string());
  }
  if (found.empty()) return false;
  if (!options.checkpoint.resume) {
    throw UsageError(
        fmt::format("an unfinished search is kept in {}: --resume goes on with it; remove {} to "
                    "start anew",
                    fmt::join(found, " and "), found.size() > 1 ? "both" : "that"));
  }
  if (!may_exist(journal_of(options, "fine"))) return true;
  if (found.size() == 1) {
    throw UsageError(fmt::format(
        "{} is of a fine search whose coarse one is not there: remove it to start anew", found[0]));
  }
  if (options.fine_points == 0) {
    throw UsageError(fmt::format(
        "{} holds an unfinished fine search, which --fine-points 0 would not go on with: give "
        "--fine-points as before, or remove it",
        found[1]));
  }
  return true;
}

// One stage, coarse or fine: trains, writes and prints its table.
std::vector<optim::SearchRow> search_stage(const Options& options, const Dataset& images,
                                           const std::string& stage, const optim::Axis& axis,
                                           const std::vector<optim::Setting>& settings,
                                           Index cycles) {
  optim::Journal journal =
      optim::Journal::resume(journal_of(options, stage),
                             subject(options, images, stage, axis, std::ssize(settings), cycles));
  const Index known = static_cast<Index>(journal.size());
  if (known > 0) print("{} search: trainings finished before: {}\n", stage, known);

  const Index steps = 2 * options.half_cycle_for(images) * cycles;
  const Index trainings = std::ssize(settings) * options.repetitions;
  const Keeping keeping = options.checkpoint.keeping(images);
  std::atomic<Index> went_on = 0;
  optim::SharedProgress progress((trainings - known) * steps,
                                 !options.quiet && options.halving == 1);
  auto rows = optim::search(
      settings,
      [&](std::span<const optim::Trial> trials) {
        std::vector<TrainingPlan> plans;
        for (const optim::Trial& trial : trials) {
          plans.push_back(options.plan(images, trial.values[0], trial.budget, trial.seed));
        }
        std::vector<double> accuracies;
        for (const auto& run : train_together(
                 plans, images, [&] { progress.step(); }, keeping)) {
          // One that diverged says enough about its lambda.
          accuracies.push_back(run ? run->history.back().validation.accuracy : std::nan(""));
          if (run && run->steps_before > 0) ++went_on;
        }
        return accuracies;
      },
      together,
      {.repetitions = options.repetitions,
       .seed = static_cast<std::uint64_t>(options.seed),
       .budget = cycles,
       .halving = options.halving,
       .workers = options.jobs,
       .validation_images = images.validation.size(),
       .journal = &journal});

  if (went_on > 0) print("{} search: trainings that went on: {}\n", stage, went_on.load());
  if (std::isnan(rows.front().mean)) {
    throw GradError(fmt::format(
        "every training of the {} search diverged, with lambda from {:g} to {:g}: lower --high",
        stage, axis.low, axis.high));
  }
  const std::filesystem::path table = std::filesystem::path(options.out) / (stage + ".csv");
  write_file(table, optim::to_csv({&axis, 1}, rows));
  print("\n{} search, {} cycle{} of {} steps, validated on {} images\n{}", stage, cycles,
        cycles == 1 ? "" : "s", 2 * options.half_cycle_for(images), images.validation.size(),
        optim::to_string({&axis, 1}, rows));
  for (const std::string& finding : optim::lint_search(axis, rows)) {
    print("note: {}\n", finding);
  }
  std::fflush(stdout);
  return rows;
}

// Both searches over lambda, with their standard errors.
void draw(const std::filesystem::path& folder, const std::vector<optim::SearchRow>& coarse,
          const std::vector<optim::SearchRow>& fine) {
  const auto series = [](const char* name, const std::vector<optim::SearchRow>& rows) {
    report::Series s{.name = name, .x = {}, .y = {}, .error = {}, .joined = false};
    for (const optim::SearchRow& row : rows) {
      s.x.push_back(row.values[0]);
      s.y.push_back(row.mean);
      s.error.push_back(row.standard_error);
    }
    return s;
  };
  report::Panel panel{.y_label = "validation accuracy", .series = {series("coarse", coarse)}};
  if (!fine.empty()) panel.series.push_back(series("fine", fine));
  report::curves({.stem = folder / "search", .alt = "Validation accuracy over lambda"},
                 {.label = "lambda", .log = true}, {&panel, 1});
}

// Trains with the chosen lambda on as many images as possible, and tests once.
void train_best(const Options& options, double lambda, std::optional<Dataset> images,
                const CommandLine& command_line) {
  Run folder("lambda_search", options.out);
  DatasetOptions all = options.data;
  if (all.train_batches == 5 && all.validation == 0) {
    all.validation = (images->train.size() + images->validation.size()) / 50;  // 1,000 of 50,000
    images.reset();
    images.emplace(load_dataset(all));
  }
  TrainingPlan plan =
      options.plan(*images, lambda, options.final_cycles, static_cast<std::uint64_t>(options.seed));
  plan.measurements = 9 * options.final_cycles;
  plan.train_at_end = true;
  plan.test_at_end = true;
  const TrainingRun run = train(plan, *images, {}, options.checkpoint.keeping(*images));
  FinalScores scores = final_scores(run.history.back(), run.test);
  scores.train = run.train;
  folder.went_on_after(run.steps_before);
  folder.save(run.history, scores, run.network->parameters(), *images, command_line);
  print("\nfinal training, lambda {:.4g}, {} images, {} cycle{}\n{}\n{}\n", lambda,
        images->train.size(), options.final_cycles, options.final_cycles == 1 ? "" : "s",
        to_string(scores), folder.closing_line());
}

// Before anything is trained: what is to be written can be, and no search is lost.
void prepare_search(const Options& options) {
  prepare_folder(options.out, result_names);
  constexpr const char* own[] = {"coarse.csv", "fine.csv", "search.gp", "search.png", "search.svg"};
  prepare_folder(options.out, own);
  const bool unfinished = find_unfinished(options);
  if (options.checkpoint.resume && !unfinished && !options.checkpoint.any()) {
    print_notes({fmt::format("no unfinished search in {}: starting anew", options.out)});
  }
  const std::filesystem::path weights = std::filesystem::path(options.out) / "weights.safetensors";
  if (options.final_cycles == 0 && std::filesystem::exists(weights)) {
    print_notes(
        {fmt::format("{} and what belongs to it are of an earlier training and stay: "
                     "--final-cycles 0 makes none",
                     weights.string())});
  }
}

void remove_from(const std::filesystem::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) std::filesystem::remove(folder / name);
}

int run(const Options& options, const CommandLine& command_line) {
  if (options.low > options.high) throw UsageError("--low is above --high");
  if (options.low == options.high) {
    throw UsageError(
        "--low and --high are equal, which leaves one lambda: assignment2 --lambda trains with it");
  }
  if (options.halving > options.cycles) {
    throw UsageError(
        fmt::format("--halving {} needs --cycles {} or more: it begins with a part of "
                    "them",
                    options.halving, options.halving));
  }
  // --resume alone goes on from the journals: trainings that were under way begin anew.
  const CheckpointOptions& checkpoint = options.checkpoint;
  if (checkpoint.given() || checkpoint.every || !checkpoint.resume) checkpoint.check();
  print_blas_warning();
  report::require_gnuplot();
  prepare_search(options);
  std::optional<Dataset> images(load_dataset(options.data));
  if (!options.quiet) print("{}\n", images->source);
  print_data_lint(*images, options.data);
  require_batch(options.batch_size, *images);

  const optim::Axis axis{"lambda", options.low, options.high};
  const auto seed = static_cast<std::uint64_t>(options.seed);
  const auto settings = options.sampling == "grid"
                            ? optim::grid({&axis, 1}, options.points)
                            : optim::sample({&axis, 1}, options.points, seed);
  const auto coarse = search_stage(options, *images, "coarse", axis, settings, options.cycles);
  std::vector<optim::SearchRow> fine;
  if (options.fine_points > 0) {
    const auto narrow = optim::around({&axis, 1}, coarse.front().values, options.fine_width);
    fine = search_stage(options, *images, "fine", narrow[0],
                        optim::sample(narrow, options.fine_points, seed + 1), options.fine_cycles);
  }
  const double best = (fine.empty() ? coarse : fine).front().values[0];
  if (options.final_cycles > 0) train_best(options, best, std::move(images), command_line);
  if (fine.empty()) remove_from(options.out, {"fine.csv"});  // of an earlier search
  draw(options.out, coarse, fine);
  remove_from(options.out, {"coarse.journal", "fine.journal"});
  print("\nbest lambda {:.4g}; coarse.csv{} and search.png, .svg, .gp in {}\n", best,
        fine.empty() ? "" : ", fine.csv", options.out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CommandLine command_line("lambda_search",
                           "Searches for the penalty of the two-layer network: a coarse search, a "
                           "fine one around its best, both judged by validation images alone, and "
                           "a final training that is tested once.");
  options.add_options(command_line);
  command_line.resumable([] { return true; });
  return command_line.run(argc, argv, [&] { return run(options, command_line); });
}
