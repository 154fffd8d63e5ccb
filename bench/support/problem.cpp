#include "bench/support/problem.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "optim/schedule.h"

namespace tapegrad::bench {
namespace {

template <class T>
void read(std::span<T> numbers) {
  if (std::fread(numbers.data(), sizeof(T), numbers.size(), stdin) != numbers.size()) {
    throw std::runtime_error("the problem on stdin ends too early");
  }
}

// A loader shows labels, not places; here an image's label is its place.
std::vector<std::int32_t> draw_order(Index images, Index batch) {
  data::ImageSet places(images, 1);
  for (std::size_t i = 0; i < places.labels.size(); ++i) {
    places.pixels[i] = 0;
    places.labels[i] = static_cast<std::int32_t>(i);
  }
  const auto standardizer = data::Standardizer::fit(places, data::Scope::none);
  data::Loader<float> loader(places, standardizer, batch, Rng(order_seed));
  std::vector<std::int32_t> order;
  for (Index i = 0; i < loader.batches_per_epoch(); ++i) {
    const auto [x, y] = loader.next();
    order.insert(order.end(), y.begin(), y.end());
  }
  return order;
}

}  // namespace

double Settings::lr(Index step) const { return optim::CyclicLr{.half_cycle = half_cycle}(step); }

std::span<const std::int32_t> Problem::rows(Index step) const {
  const Index batches = std::ssize(order) / batch;
  return std::span(order).subspan(static_cast<std::size_t>(step % batches * batch),
                                  static_cast<std::size_t>(batch));
}

Tensor<float> Problem::standardised() const {
  const std::size_t width = scale.size();
  Tensor<float> x({images.size(), static_cast<Index>(width)});
  for (std::size_t i = 0; i < images.pixels.size(); ++i) {
    const std::size_t j = i % width;
    x.data()[i] = static_cast<float>(images.pixels[i]) * scale[j] + shift[j];
  }
  return x;
}

Problem make_problem(const data::ImageSet& images, const data::Standardizer& standardizer,
                     std::vector<Index> widths, Index batch) {
  Problem problem;
  problem.batch = batch;
  problem.images = images;
  problem.order = draw_order(images.size(), batch);
  for (std::size_t j = 0; j < standardizer.mean().size(); ++j) {
    const double std = standardizer.std()[j];
    problem.scale.push_back(static_cast<float>(1 / (255 * std)));
    problem.shift.push_back(static_cast<float>(-standardizer.mean()[j] / std));
  }
  Rng rng(2);
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    const double std = 1 / std::sqrt(static_cast<double>(widths[i]));
    problem.weights.push_back(rng.normal<float>({widths[i + 1], widths[i]}, std));
  }
  problem.widths = std::move(widths);
  return problem;
}

std::unique_ptr<Child> start(std::vector<std::string> command, const Problem& problem) {
  command.insert(command.end(),
                 {std::to_string(problem.images.size()), std::to_string(problem.batch),
                  fmt::format("{}", problem.settings.lambda),
                  std::to_string(problem.settings.half_cycle), std::to_string(problem.threads)});
  for (const Index width : problem.widths) command.push_back(std::to_string(width));
  auto child = std::make_unique<Child>(command);
  const auto send = [&](const auto& numbers) { child->send(std::as_bytes(std::span(numbers))); };
  send(problem.images.pixels);
  send(problem.images.labels);
  send(problem.scale);
  send(problem.shift);
  send(problem.order);
  for (const Tensor<float>& w : problem.weights) send(w.span());
  return child;
}

Problem receive(std::span<char*> arguments) {
  constexpr std::size_t sizes = 5;
  if (arguments.size() < sizes + 2) {
    throw std::runtime_error("usage: PEER IMAGES BATCH LAMBDA HALF_CYCLE THREADS WIDTH ...");
  }
  Problem problem;
  for (char* width : arguments.subspan(sizes)) problem.widths.push_back(std::stoll(width));
  problem.images = data::ImageSet(std::stoll(arguments[0]), problem.widths.front());
  problem.batch = std::stoll(arguments[1]);
  problem.settings.lambda = std::stod(arguments[2]);
  problem.settings.half_cycle = std::stoll(arguments[3]);
  problem.threads = std::stoi(arguments[4]);
  const auto inputs = static_cast<std::size_t>(problem.widths.front());
  problem.scale.resize(inputs);
  problem.shift.resize(inputs);
  problem.order.resize(
      static_cast<std::size_t>(problem.images.size() / problem.batch * problem.batch));
  read(std::span(problem.images.pixels));
  read(std::span(problem.images.labels));
  read(std::span(problem.scale));
  read(std::span(problem.shift));
  read(std::span(problem.order));
  for (std::size_t i = 0; i + 1 < problem.widths.size(); ++i) {
    Tensor<float>& w =
        problem.weights.emplace_back(Shape{problem.widths[i + 1], problem.widths[i]});
    read(std::span(w.data(), static_cast<std::size_t>(w.size())));
  }
  return problem;
}

}  // namespace tapegrad::bench
