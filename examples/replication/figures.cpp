#include "examples/replication/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <tuple>

#include "bands_csv.h"
#include "tensor/error.h"

namespace tapegrad::examples {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

double number(std::string_view text, std::string_view line) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0' || !std::isfinite(value)) {
    throw FormatError(fmt::format("bands: '{}' is no number, in the line '{}'", text, line));
  }
  return value;
}

Method method(std::string_view text, std::string_view line) {
  if (text == "correct") return Method::correct;
  if (text == "explained") return Method::explained;
  throw FormatError(fmt::format("bands: no method '{}', in the line '{}'", text, line));
}

Band band(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double x : values) mean += x / n;
  double squares = 0;
  for (const double x : values) squares += (x - mean) * (x - mean);
  return {mean, std::sqrt(squares / (n - 1)), std::ssize(values)};
}

// Figures that seeds move alike: the same quantity of trainings on as many images, with as many
// layers, at the same rates.
using Kind = std::tuple<Quantity, Split, Index, Index, double>;

std::map<std::string, Kind> kinds() {
  std::map<std::string, Kind> all;
  for (const Experiment& e : all_experiments()) {
    for (const Figure& f : figures_of(e)) {
      const Training& t = e.training;
      all[f.name()] = {f.quantity, t.split, t.images, t.hidden, t.lr_max};
    }
  }
  return all;
}

// Whether a published figure is within so many sigma of a band, to the digits printed.
bool fits(const Figure& figure, const std::optional<Band>& band, double sigmas) {
  if (!band) return false;
  if (figure.quantity == Quantity::cost_rise) return band->mean > 0;
  const Printed printed = parse_published(figure.published);
  return std::abs(printed.value - band->mean) <=
         sigmas * published_sigma(figure, *band) + printed.rounding;
}

// How many images validate, where a report chose them itself; 0 where the course did.
double chosen_validation_images(Split split) {
  switch (split) {
    case Split::small:
      return 0;
    case Split::search:
      return 5000;
    case Split::all:
      return 1000;
  }
  return 0;
}

}  // namespace

const char* to_string(Quantity quantity) {
  switch (quantity) {
    case Quantity::train:
      return "train accuracy";
    case Quantity::validation:
      return "validation accuracy";
    case Quantity::best_validation:
      return "best validation accuracy";
    case Quantity::test:
      return "test accuracy";
    case Quantity::cost_rise:
      return "rise of the train cost from cycle to cycle";
  }
  return "";
}

std::string Figure::name() const {
  return fmt::format("{}/{}/{}/{}", experiment->report, experiment->section, experiment->lambda,
                     to_string(quantity));
}

std::vector<Figure> figures_of(const Experiment& experiment) {
  const Published& p = experiment.published;
  std::vector<Figure> figures;
  const auto add = [&](Quantity quantity, std::string_view printed) {
    if (!printed.empty()) figures.push_back({&experiment, quantity, printed});
  };
  add(Quantity::train, p.train);
  add(Quantity::validation, p.validation);
  add(Quantity::best_validation, p.best_validation);
  add(Quantity::test, p.test);
  add(Quantity::cost_rise, p.cost_rises ? "rises" : "");
  if (figures.empty()) figures.push_back({&experiment, Quantity::validation, ""});
  return figures;
}

double value_of(Quantity quantity, const TrainingRun& run) {
  const optim::Measurement& last = run.history.back();
  switch (quantity) {
    case Quantity::train:
      return run.train.accuracy;
    case Quantity::validation:
      return last.validation.accuracy;
    case Quantity::best_validation: {
      double best = 0;
      for (const auto& m : run.history) best = std::max(best, m.validation.accuracy);
      return best;
    }
    case Quantity::test:
      return run.test.accuracy;
    case Quantity::cost_rise: {
      const Index cycle = 2 * run.plan.half_cycle;
      const auto first_end = std::find_if(run.history.begin(), run.history.end(),
                                          [&](const auto& m) { return m.step >= cycle; });
      return last.train_cost() - first_end->train_cost();
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool Band::holds(double value, double sigmas) const {
  const double of_mean = seeds > 0 ? 1 / static_cast<double>(seeds) : 0;
  return std::abs(value - mean) <= sigmas * sigma * std::sqrt(1 + of_mean);
}

double published_sigma(const Figure& figure, const Band& band) {
  const double n = chosen_validation_images(figure.experiment->training.split);
  const bool validation =
      figure.quantity == Quantity::validation || figure.quantity == Quantity::best_validation;
  if (!validation || n == 0) return band.sigma;
  return std::hypot(band.sigma, std::sqrt(band.mean * (1 - band.mean) / n));
}

const Bands& Bands::committed() {
  static const Bands bands = parse(bands_csv);
  return bands;
}

Bands Bands::parse(std::string_view csv) {
  Bands bands;
  bool header = true;
  for (const std::string_view line : split(csv, '\n')) {
    if (line.empty() || std::exchange(header, false)) continue;
    const std::vector<std::string_view> fields = split(line, ',');
    if (fields.size() < 7) {
      throw FormatError(fmt::format("bands: fewer than five seeds in the line '{}'", line));
    }
    std::vector<double> values;
    for (std::size_t i = 2; i < fields.size(); ++i) values.push_back(number(fields[i], line));
    bands.bands_[{std::string(fields[0]), method(fields[1], line)}] = band(values);
  }
  bands.pool();
  return bands;
}

void Bands::pool() {
  for (const Method method : {Method::correct, Method::explained}) {
    std::map<Kind, std::vector<Band*>> alike;
    for (const auto& [name, kind] : kinds()) {
      const auto found = bands_.find({name, method});
      if (found != bands_.end()) alike[kind].push_back(&found->second);
    }
    for (const auto& [kind, group] : alike) {
      double squares = 0;
      for (const Band* b : group) squares += b->sigma * b->sigma;
      const double pooled = std::sqrt(squares / static_cast<double>(group.size()));
      for (Band* b : group) b->sigma = std::max(b->sigma, pooled);
    }
  }
}

std::optional<Band> Bands::find(const Figure& figure, Method method) const {
  const auto found = bands_.find({figure.name(), method});
  return found == bands_.end() ? std::nullopt : std::optional(found->second);
}

bool Comparison::in_band() const { return correct_band && correct_band->holds(correct); }
bool Comparison::explained_in_band() const {
  return explained_band && explained_band->holds(explained);
}
bool Comparison::agrees() const { return fits(figure, correct_band, 3); }
bool Comparison::explains() const { return fits(figure, explained_band, 2); }

std::string Comparison::verdict() const {
  if (figure.published.empty() || !correct_band) return "";
  if (agrees()) return explains() ? "agrees; so does the explanation" : "agrees";
  return explains() ? "explained" : "unexplained";
}

Printed parse_published(std::string_view text) {
  const std::size_t point = text.find('.');
  const auto decimals =
      point == std::string_view::npos ? 0 : static_cast<double>(text.size() - point - 1);
  return {number(text, text), 0.5 * std::pow(10.0, -decimals)};
}

}  // namespace tapegrad::examples
