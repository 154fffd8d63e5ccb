#include "examples/report/training_curves.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "examples/report/charts.h"

namespace tapegrad::report {
namespace {

using Get = double (*)(const optim::Measurement&);

void add_series(Panel& panel, const std::string& name, const History& history, Get y) {
  Series series{.name = name + history.name, .x = {}, .y = {}};
  for (const optim::Measurement& m : history.measurements) {
    series.x.push_back(static_cast<double>(m.step));
    series.y.push_back(y(m));
  }
  const bool measured =
      std::any_of(series.y.begin(), series.y.end(), [](double v) { return std::isfinite(v); });
  if (measured) panel.series.push_back(std::move(series));
}

// Adds the panel unless nothing of it was measured.
void add_panel(std::vector<Panel>& panels, const std::string& label,
               std::span<const History> histories, Get train, Get validation) {
  Panel panel{.y_label = label, .series = {}};
  for (const History& history : histories) {
    add_series(panel, "training", history, train);
    add_series(panel, "validation", history, validation);
  }
  if (!panel.series.empty()) panels.push_back(std::move(panel));
}

// Of every step, or of many the lowest and the highest of each thousandth: at the measurements
// alone, or at a point of each cycle, the rate would seem another one.
Panel rate_panel(const optim::Schedule& schedule, Index steps) {
  Series rate{.name = "learning rate", .x = {}, .y = {}};
  const auto add = [&](Index step) {
    rate.x.push_back(static_cast<double>(step));
    rate.y.push_back(schedule(step));
  };
  const Index parts = std::min(steps, Index{1000});
  for (Index i = 0; i < parts; ++i) {
    const Index end = (i + 1) * steps / parts;
    Index low = i * steps / parts;
    Index high = low;
    for (Index step = low + 1; step < end; ++step) {
      if (schedule(step) < schedule(low)) low = step;
      if (schedule(step) > schedule(high)) high = step;
    }
    add(std::min(low, high));
    if (low != high) add(std::max(low, high));
  }
  return {.y_label = "rate", .series = {rate}, .height = 0.5};
}

}  // namespace

Picture training_curves(Picture to, std::span<const History> histories,
                        const optim::Schedule& schedule) {
  std::vector<Panel> panels;
  add_panel(
      panels, "cost", histories, [](auto& m) { return m.train_cost(); },
      [](auto& m) { return m.validation_cost(); });
  add_panel(
      panels, "loss", histories, [](auto& m) { return m.train.loss; },
      [](auto& m) { return m.validation.loss; });
  add_panel(
      panels, "accuracy", histories, [](auto& m) { return m.train.accuracy; },
      [](auto& m) { return m.validation.accuracy; });
  Index steps = 1;
  for (const History& h : histories) {
    if (!h.measurements.empty()) steps = std::max(steps, h.measurements.back().step);
  }
  panels.push_back(rate_panel(schedule, steps));
  if (to.alt.empty()) to.alt = "Cost, loss and accuracy over the steps, the learning rate below";
  return curves(std::move(to), {.label = "step"}, panels);
}

Picture range_test(Picture to, const optim::RangeTest& test) {
  Series loss{.name = "loss of the batches, smoothed", .x = {}, .y = {}};
  Series accuracy{.name = "validation accuracy", .x = {}, .y = {}};
  for (const optim::RangePoint& p : test.points) {
    loss.x.push_back(p.lr);
    loss.y.push_back(p.loss);
    if (std::isnan(p.accuracy)) continue;
    accuracy.x.push_back(p.lr);
    accuracy.y.push_back(p.accuracy);
  }
  std::optional<Band> suggested;
  if (test.found()) suggested = {test.suggested_min, test.suggested_max, "suggested range"};
  std::vector<Panel> panels{{.y_label = "loss", .series = {loss}, .band = suggested}};
  if (!accuracy.x.empty()) {
    panels.push_back({.y_label = "accuracy", .series = {accuracy}, .band = suggested});
  }
  if (to.alt.empty()) to.alt = "Loss and accuracy while the learning rate rises";
  return curves(std::move(to), {.label = "learning rate", .log = true}, panels);
}

}  // namespace tapegrad::report
