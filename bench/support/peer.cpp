#include "bench/support/peer.h"

#include <cblas.h>
#include <fmt/format.h>

#include <iostream>
#include <sstream>

#include "bench/support/clock.h"
#include "bench/support/report.h"
#include "tensor/parallel.h"

namespace tapegrad::bench {
namespace {

std::string run(Training& training, Index steps) {
  const Stopwatch watch;
  for (Index i = 0; i < steps; ++i) training.step();
  const double per_step = 1e6 / static_cast<double>(steps);
  return fmt::format("{:.3f} {:.3f} {:.7g} {}", watch.wall() * per_step,
                     watch.processor() * per_step, training.loss(), training.note());
}

std::string search(const Begin& begin, std::istream& request) {
  Index workers = 0;
  Index steps = 0;
  Index half_cycle = 0;
  request >> workers >> steps >> half_cycle;
  std::vector<double> lambdas;
  for (double lambda = 0; request >> lambda;) lambdas.push_back(lambda);
  std::vector<double> losses(lambdas.size());
  const Stopwatch watch;
  parallel_for(std::ssize(lambdas), workers, [&](Index i) {
    const auto training =
        begin({.lambda = lambdas[static_cast<std::size_t>(i)], .half_cycle = half_cycle});
    for (Index step = 0; step < steps; ++step) training->step();
    losses[static_cast<std::size_t>(i)] = training->loss();
  });
  return fmt::format("{:.4f} {:.4f} {:.7g}", watch.wall(), watch.processor(), losses.front());
}

void answer(std::span<char*> arguments, const std::string& description,
            const std::function<Begin(const Problem&)>& prepare) {
  const Problem problem = receive(arguments);
  openblas_set_num_threads(problem.threads);
  const Begin begin = prepare(problem);
  const auto training = begin(problem.settings);
  fmt::print("{}; {}\n", description, blas_description());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream request(line);
    std::string verb;
    request >> verb;
    if (verb == "run") {
      Index steps = 0;
      request >> steps;
      fmt::print("{}\n", run(*training, steps));
    } else {
      fmt::print("{}\n", search(begin, request));
    }
    std::fflush(stdout);
  }
}

}  // namespace

int serve(std::span<char*> arguments, const std::string& description,
          const std::function<Begin(const Problem&)>& prepare) {
  try {
    answer(arguments, description, prepare);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", description, error.what());
    return 1;
  }
}

}  // namespace tapegrad::bench
