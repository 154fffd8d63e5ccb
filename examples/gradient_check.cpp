// Checks the gradients of both assignments' networks, and shows what the checker makes of wrong
// ones.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "autograd/gradcheck_report.h"
#include "examples/support/check_network.h"
#include "examples/support/command_line.h"
#include "examples/support/dataset.h"
#include "examples/support/faults.h"
#include "examples/support/interrupt.h"
#include "examples/support/keep_larger.h"
#include "examples/support/print.h"
#include "examples/support/report_checks.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

struct Options {
  DatasetOptions data;
  Index seeds = 1;
  double h = 1e-5;
  std::string difference = "centred";
  std::string report;
  std::string plant;
  bool full = false;
  bool json = false;
  bool quiet = false;

  bool centred() const { return difference == "centred"; }

  /// What sum/sum may be for a right gradient: rounding for centred differences; for forward ones
  /// about h, whose own error that is, and rounding over h; but no more than shows a gradient that
  /// is a little wrong.
  double largest_sum_relative() const {
    return centred() ? 2e-8 : std::min(10 * (h + 1e-14 / h), 1e-3);
  }

  GradcheckOptions differences() const {
    GradcheckOptions options{.difference = centred() ? Difference::centred : Difference::forward,
                             .h = h};
    // an entry's second derivative may be large beside its slope
    if (!centred()) options.tolerance = 10 * largest_sum_relative();
    return options;
  }
};

constexpr double largest_kink_share = 0.01;

struct Network {
  const char* name;
  Index hidden;
};
constexpr Network networks[] = {{"assignment 1: 20-10", 0}, {"assignment 2: 20-50-10", 50}};
constexpr Index batch_sizes[] = {1, 50, 100};
constexpr double lambdas[] = {0, 0.001};

// The worst over many checks.
struct Worst {
  double sum_relative = 0;
  double kink_share = 0;
  double exact = 0;
  bool entries_passed = true;

  void add(const GradcheckReport& by_differences, const GradcheckReport& by_dual) {
    entries_passed = entries_passed && by_dual.passed() && by_differences.passed();
    for (const ParameterCheck& p : by_differences.parameters) {
      keep_larger(sum_relative, p.metrics.sum_relative);
    }
    for (const ParameterCheck& p : by_dual.parameters) keep_larger(exact, p.metrics.sum_relative);
  }
};

// Of all elements, over the seeds of a network and a batch: a single unit that is within h of 0 for
// a single image is more than a hundredth of one check.
struct Kinks {
  Index kinks = 0, elements = 0;

  void add(const GradcheckReport& report) {
    for (const ParameterCheck& p : report.parameters) {
      kinks += p.kinks;
      elements += p.shape.size();
    }
  }
  double share() const { return static_cast<double>(kinks) / static_cast<double>(elements); }
};

// Both assignments' networks, cut to 20 inputs, with every batch size, penalty and seed.
int check_networks(const Options& options, const Dataset& images) {
  Worst worst;
  for (const Network& network : networks) {
    for (const Index batch_size : batch_sizes) {
      for (const double lambda : lambdas) {
        Kinks kinks;
        for (Index seed = 1; seed <= options.seeds; ++seed) {
          throw_if_interrupted();
          CheckProblem problem({.hidden = network.hidden, .seed = static_cast<std::uint64_t>(seed)},
                               cut_batch(images.train, images.standardizer, 0, batch_size, 20),
                               lambda);
          const auto differences =
              gradcheck(problem.parameters(), problem.cost(), options.differences());
          const auto exact = gradcheck(problem.parameters(), problem.cost(), problem.twin());
          worst.add(differences, exact);
          kinks.add(differences);
          if (options.json) print("{}\n", to_json(differences));
          if (options.quiet || options.json) continue;
          print("\n{}, {} images, lambda {}, seed {}; {}\n{}against {}\n{}", network.name,
                batch_size, lambda, seed, differences.oracle, to_string(differences), exact.oracle,
                to_string(exact));
        }
        keep_larger(worst.kink_share, kinks.share());
      }
    }
  }
  const bool passed = worst.entries_passed && worst.sum_relative < options.largest_sum_relative() &&
                      worst.kink_share <= largest_kink_share;
  if (!options.json) {
    print(
        "\n{} seed{}: worst sum/sum {:.3e} (limit {:.0e}), against exact derivatives {:.1e}; most "
        "kinks {:.2f} % (limit {:.0f} %); entries {}: {}\n",
        options.seeds, options.seeds == 1 ? "" : "s", worst.sum_relative,
        options.largest_sum_relative(), worst.exact, 100 * worst.kink_share,
        100 * largest_kink_share,
        worst.entries_passed ? "all within tolerance" : "OUTSIDE tolerance",
        passed ? "pass" : "FAIL");
  }
  return passed ? 0 : 1;
}

// The whole 3072-50-10 network, whose 154,160 elements are too many: random directions instead.
int check_full_network(const Dataset& images) {
  const auto start = std::chrono::steady_clock::now();
  CheckProblem problem({.inputs = 3072}, cut_batch(images.train, images.standardizer, 0, 100, 3072),
                       0.01);
  const auto differences = gradcheck(problem.parameters(), problem.cost(), {.directions = 8});
  const auto exact =
      gradcheck(problem.parameters(), problem.cost(), problem.twin(), {.directions = 8});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  print(
      "3072-50-10, 100 images, lambda .01, 8 random directions per parameter\n\n{}\n{}\nagainst "
      "{}\n{}\n{:.2f} s\n",
      differences.oracle, to_string(differences), exact.oracle, to_string(exact), seconds.count());
  return differences.passed() && exact.passed() ? 0 : 1;
}

// Exit code 1 when the fault is caught: the gradient is wrong.
int plant(const std::string& name, const Dataset& images) {
  CheckProblem problem({}, cut_batch(images.train, images.standardizer, 0, 100, 20), 0.1);
  bool all_caught = true;
  for (const Fault& fault : faults()) {
    if (name != "all" && name != fault.name) continue;
    throw_if_interrupted();
    const FaultReport report = check_fault(fault.name, problem);
    print("\n{}: {}\n{}{}\n", fault.name, fault.what, report.text,
          report.caught ? "caught" : "NOT caught");
    all_caught = all_caught && report.caught;
  }
  return all_caught ? 1 : 0;
}

void require_fault(const std::string& name) {
  const auto known = faults();
  const bool found =
      std::any_of(known.begin(), known.end(), [&](const Fault& f) { return name == f.name; });
  if (name.empty() || name == "all" || found) return;
  throw UsageError(
      fmt::format("--plant {}: there is no such fault; --plant list names them", name));
}

void require_one_check(const Options& o) {
  const int instead = (o.full ? 1 : 0) + (o.report.empty() ? 0 : 1) + (o.plant.empty() ? 0 : 1);
  if (instead > 1) {
    throw UsageError("--full, --report and --plant each say what to check instead: give one");
  }
  if (instead > 0 && o.json) {
    throw UsageError("--json prints the checks of both networks: not --full, --report or --plant");
  }
  const Options usual;
  const bool changed =
      o.seeds != usual.seeds || o.h != usual.h || o.difference != usual.difference || o.quiet;
  if (instead > 0 && changed) {
    throw UsageError(
        "--seeds, --step, --difference and --quiet are for the checks of both networks: not for "
        "--full, --report or --plant");
  }
}

int list_faults() {
  for (const Fault& fault : faults()) print("{:<18}{}\n", fault.name, fault.what);
  return 0;
}

int run(const Options& options) {
  require_one_check(options);
  if (options.plant == "list") return list_faults();
  require_fault(options.plant);
  const Dataset images = load_first_batch(options.data);
  if (!options.json) print("{}\n", images.source);
  if (!options.plant.empty()) return plant(options.plant, images);
  if (!options.report.empty()) {
    for (const ReportCheck& check : check_reports(options.report, images)) {
      print("\n{}", to_string(check));
    }
    return 0;
  }
  return options.full ? check_full_network(images) : check_networks(options, images);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CommandLine command_line(
      "gradient_check",
      "Checks the gradients of both assignments' networks, cut to 20 inputs, for 1, "
      "50 and 100 images and lambda 0 and 0.001, against differences and against "
      "exact derivatives.");
  command_line.text("--data", options.data.folder, "Folder with the binary CIFAR-10 files")
      .flag("--synthetic", options.data.synthetic, "Use the built-in synthetic images")
      .count("--seeds", options.seeds, 1, 1000, "Repeat with seeds 1 to this")
      .number("--step", options.h, 1e-12, 1, "The perturbation h")
      .choice("--difference", options.difference, {"centred", "forward"}, "The difference quotient")
      .flag("--full", options.full,
            "Check the whole 3072-50-10 network along random directions instead")
      .choice("--report", options.report, {"000", "001", "002", "003", "004", "all"},
              "Compute a report's gradient table again")
      .text("--plant", options.plant,
            "Check a network with this mistake (exit code 1 when caught); list: name them; all: "
            "try all")
      .flag("--json", options.json, "Print each check as a JSON object")
      .flag("--quiet", options.quiet, "Print the worst figures only");
  return command_line.run(argc, argv, [&] { return run(options); });
}
