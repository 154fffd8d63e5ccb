// Runs the experiments of the five published reports again and writes one document about them.
#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "data/lint.h"
#include "examples/replication/replication.h"
#include "examples/replication/write_report.h"
#include "examples/report/gnuplot.h"
#include "examples/support/checkpoint_options.h"
#include "examples/support/command_line.h"
#include "examples/support/print.h"
#include "examples/support/training_options.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/parallel.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

// The seeds of the table of bands begin here, far from those that people choose: a replication
// never meets the very numbers that its bands were made of.
constexpr Index first_band_seed = 1001;

struct Options {
  std::string report = "all";
  DatasetOptions data;
  Index seed = 1;
  Index jobs = processor_count();
  bool quick = false;
  std::string out = "runs/reproduce";
  CheckpointOptions checkpoint;
  std::string bands;
  std::optional<Index> seeds;  // of the table of bands

  ReplicationOptions replication(Index with_seed) const {
    return {.experiments = experiments_of(report),
            .seed = static_cast<std::uint64_t>(with_seed),
            .jobs = jobs,
            .quick = quick,
            .keeping = [this](const Dataset& images) { return checkpoint.keeping(images); }};
  }
};

std::string effort_line(const Effort& effort) {
  const std::string resumed =
      effort.went_on > 0 ? fmt::format(", {} of which went on from what was kept", effort.went_on)
                         : "";
  return fmt::format(
      "{} trainings{}, {} steps in {:.0f} s; {:.3f} ms a step and thread, {:.0f} % of the time "
      "measuring",
      effort.trainings, resumed, effort.steps, effort.seconds, effort.milliseconds_per_step(),
      effort.percent_measuring());
}

// Says which images are used; figures of others than CIFAR-10's would be compared with nothing.
void describe_images(PlannedImages& images, const ReplicationOptions& options) {
  const TrainingPlan plan = correct_plan(*options.experiments.front(), options.seed);
  images.prepare(plan);
  const Dataset& data = images.of(plan);
  print("{}\n", data.source);
  std::fflush(stdout);
  if (options.quick) return;
  if (data.files.empty()) {
    throw DataError(
        "the reports' figures are about CIFAR-10, which was not found: run script/get-cifar10, "
        "give --data, or try things out with --quick");
  }
  print_notes(data::lint(data.train, data.validation, data.test, data.standardizer, plan.scope));
}

// "figure,method,seed ...": a line per figure and method, a column per seed; kept in FILE.part
// until it is whole.
int write_bands(const Options& options) {
  if (options.report != "all" && !options.quick) {
    throw UsageError("the table of bands needs all reports");
  }
  // before an hour of training, not after
  for (const char* end : {"", ".part"}) require_replaceable(options.bands + end);
  print_blas_warning();
  PlannedImages images(options.data, options.quick);
  describe_images(images, options.replication(first_band_seed));
  std::map<std::pair<std::string, std::string>, std::string> lines;
  std::string header = "figure,method";
  std::string text;
  const Index end = first_band_seed + options.seeds.value_or(8);
  for (Index seed = first_band_seed; seed < end; ++seed) {
    const Replication all = replicate(options.replication(seed), images);
    header += fmt::format(",seed {}", seed);
    for (const Comparison& c : compare_all(all, Bands::parse(""))) {
      lines[{c.figure.name(), "correct"}] += fmt::format(",{:.5g}", c.correct);
      lines[{c.figure.name(), "explained"}] += fmt::format(",{:.5g}", c.explained);
    }
    text = header + "\n";
    for (const auto& [key, values] : lines) text += key.first + "," + key.second + values + "\n";
    write_file(options.bands + ".part", text);
    print("seed {}: {}\n", seed, effort_line(all.effort));
    std::fflush(stdout);
  }
  write_file(options.bands, text);
  std::filesystem::remove(options.bands + ".part");
  return 0;
}

void print_tally(const Tally& t) {
  print(
      "our figures inside their band   {} of {}, with the explanations {}\n"
      "published figures that agree    {} of {}\n"
      "explained                       {}\n"
      "unexplained                     {}\n"
      "key figures explained           {} of {}\n",
      t.in_band, t.ours, t.explained_in_band, t.agree, t.published, t.explained, t.unexplained,
      t.keys_met, t.keys);
}

int reproduce(const Options& options, const CommandLine& command_line) {
  report::require_gnuplot();
  prepare_report(options.out);
  print_blas_warning();
  PlannedImages images(options.data, options.quick);
  const ReplicationOptions replication = options.replication(options.seed);
  describe_images(images, replication);
  const Replication all = replicate(replication, images);
  const Tally t = write_report(
      all, images,
      {.folder = options.out, .options = command_line.values(), .quick = options.quick});
  print("{}\n", effort_line(all.effort));
  if (!options.quick) print_tally(t);
  print("report.html, report.md, figures.csv, figures.json, histories and pictures in {}\n",
        options.out);
  return options.quick || t.in_band == t.ours ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CommandLine command_line(
      "reproduce",
      "Runs the experiments of five published student reports again and writes one document: "
      "published figures beside ours, their bands of noise, and what explains those that do not "
      "fit. Exit code 0 only if every figure of the course's method is inside its band.");
  command_line.argument("report", options.report, false,
                        "000, 001, 002, 003, 004, a section such as '000/one cycle', or all");
  command_line
      .text("--data", options.data.folder,
            "Folder with the binary CIFAR-10 files; else $CIFAR10_DIR, else "
            "./data/cifar-10-batches-bin")
      .count("--seed", options.seed, 0, 1'000'000'000, "Seed of weights and batches")
      .count("--jobs", options.jobs, 1, 256, "Trainings at a time; the figures do not depend on it")
      .flag("--quick", options.quick, "A few steps on a few synthetic images, to try things out")
      .text("--out", options.out, "Folder for the document, its tables and pictures")
      .text("--bands", options.bands,
            "Instead, train with other seeds and write the table of bands to this file")
      .count("--seeds", options.seeds, 5, 1000, "How many seeds that table has; 8 when left out");
  options.checkpoint.add_options(command_line);
  command_line.resumable([&] { return options.checkpoint.any(); });
  return command_line.run(argc, argv, [&] {
    options.checkpoint.check();
    if (options.seeds && options.bands.empty()) throw UsageError("--seeds is for --bands");
    return options.bands.empty() ? reproduce(options, command_line) : write_bands(options);
  });
}
