#include "optim/range_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "optim/sgd.h"
#include "tensor/error.h"

namespace tapegrad::optim {
namespace {

void require_valid(const RangeTestOptions& o) {
  if (o.measurements < 2 || o.measurements > o.steps) {
    throw OptionError(fmt::format("range test: {} measurements in {} steps: need 2 to {}",
                                  o.measurements, o.steps, o.steps));
  }
  if (!(o.stop_at > 1)) {
    throw OptionError(fmt::format("range test: stop_at is {}, but must be above 1", o.stop_at));
  }
}

// An exponential average, corrected for its start.
class Smoothed {
 public:
  double add(double x) {
    sum_ = keep * sum_ + (1 - keep) * x;
    weight_ = keep * weight_ + (1 - keep);
    return sum_ / weight_;
  }

 private:
  static constexpr double keep = 0.95;
  double sum_ = 0;
  double weight_ = 0;
};

void suggest(RangeTest& test) {
  const auto& points = test.points;
  const auto lowest = std::min_element(points.begin(), points.end(),
                                       [](auto& a, auto& b) { return a.loss < b.loss; });
  const double start = points.front().loss;
  const double fallen = start - 0.1 * (start - lowest->loss);
  const auto begins =
      std::find_if(points.begin(), lowest, [&](const RangePoint& p) { return p.loss <= fallen; });
  if (!(begins->lr < lowest->lr / 2)) return;
  test.suggested_min = begins->lr;
  test.suggested_max = lowest->lr / 2;
}

}  // namespace

template <Real T>
RangeTest lr_range_test(const ParamGroups<T>& groups, const typename Trainer<T>::Loss& loss,
                        const std::function<double()>& accuracy, const RangeTestOptions& options) {
  require_valid(options);
  const RampLr ramp{.lr_min = options.lr_min,
                    .lr_max = options.lr_max,
                    .steps = options.steps,
                    .exponential = options.exponential};
  const RestoreAtExit<T> restore(values_of(groups));
  Sgd<T> sgd(groups, ramp);
  const auto due = per_cycle(options.measurements, options.steps);
  RangeTest test;
  Smoothed smoothed;
  double lowest = std::numeric_limits<double>::infinity();
  while (sgd.steps() < options.steps && !test.diverged) {
    const double lr = sgd.lr();
    double value = 0;
    {
      Tape<T> tape;
      const Var<T> recorded = loss(tape);
      value = smoothed.add(static_cast<double>(recorded.item()));
      lowest = std::min(lowest, value);
      const double highest = lowest + (options.stop_at - 1) * std::abs(lowest);
      test.diverged = !std::isfinite(value) || value > highest;
      if (!test.diverged) sgd.minimize(recorded);
    }
    if (test.diverged ? std::isfinite(value) : due(sgd.steps())) {
      test.points.push_back({lr, value, accuracy ? accuracy() : std::nan("")});
    }
  }
  if (test.points.empty()) {
    throw OptionError(fmt::format(
        "range test: the loss grew from the first steps on; start below {:g}", options.lr_min));
  }
  suggest(test);
  return test;
}

std::string to_csv(const RangeTest& test) {
  std::string text = "lr,loss,accuracy\n";
  for (const RangePoint& p : test.points) {
    text += fmt::format("{},{},{}\n", p.lr, p.loss,
                        std::isnan(p.accuracy) ? "" : fmt::format("{}", p.accuracy));
  }
  return text;
}

template RangeTest lr_range_test<float>(const ParamGroups<float>&, const Trainer<float>::Loss&,
                                        const std::function<double()>&, const RangeTestOptions&);
template RangeTest lr_range_test<double>(const ParamGroups<double>&, const Trainer<double>::Loss&,
                                         const std::function<double()>&, const RangeTestOptions&);

}  // namespace tapegrad::optim
