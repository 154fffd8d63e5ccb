// Published figures beside ours: bands of noise and verdicts.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/replication/experiments.h"

namespace tapegrad::examples {

/// What of a training a figure is.
enum class Quantity { train, validation, best_validation, test, cost_rise };

/// "train accuracy", "validation accuracy", "best validation accuracy", "test accuracy", "rise of
/// the train cost from cycle to cycle" (its value at the last cycle's end minus at the first's).
const char* to_string(Quantity quantity);

/// The course's method, or a report's explanation.
enum class Method { correct, explained };

/// One published figure and the training it belongs to.
struct Figure {
  const Experiment* experiment;
  Quantity quantity;
  std::string_view published;  // as printed; "rises" for cost_rise

  /// "000/coarse search/0.1/best validation accuracy", for tables that files keep.
  std::string name() const;
};

/// Every figure that an experiment's report prints; for one that prints none, the quantity that it
/// is about, with nothing published.
std::vector<Figure> figures_of(const Experiment& experiment);

/// The figure's value in a training. NaN when it was not measured.
double value_of(Quantity quantity, const TrainingRun& run);

/// The noise of a figure over seeds: mean +/- 3 sigma is its band. A standard deviation of a few
/// seeds is itself so uncertain that one in twenty would be far too small; sigma is therefore the
/// larger of the figure's own and the one pooled over all figures of its kind.
struct Band {
  double mean = 0;
  double sigma = 0;
  Index seeds = 0;

  /// Whether a further seed's value is within so many sigma of the mean, which is itself known only
  /// to sigma / seeds^(1/2).
  bool holds(double value, double sigmas = 3) const;
};

/// The bands of all figures, from trainings with several seeds.
class Bands {
 public:
  /// The table of the source tree, bands.csv.
  static const Bands& committed();

  /// Reads "figure,method,seed,...,seed" and a line per figure and method. Throws FormatError with
  /// the line.
  static Bands parse(std::string_view csv);

  /// None when the table has no such figure.
  std::optional<Band> find(const Figure& figure, Method method) const;

 private:
  void pool();

  std::map<std::pair<std::string, Method>, Band> bands_;
};

/// The noise of a published figure: over seeds, and for validation accuracies of searches also over
/// the choice of validation images, (p (1 - p) / n)^(1/2), which reports do not state.
double published_sigma(const Figure& figure, const Band& band);

/// What a reader wants to know of one figure.
struct Comparison {
  Figure figure;
  double correct = 0;    // ours, the course's method
  double explained = 0;  // ours, with the report's explanation
  std::optional<Band> correct_band;
  std::optional<Band> explained_band;

  /// Our figure by the course's method is inside its band; false without a band.
  bool in_band() const;

  /// Our figure with the explanation is inside its band: this run trained what the band's did.
  bool explained_in_band() const;

  /// The published figure fits the course's method: within three sigma, to the digits printed.
  bool agrees() const;

  /// The published figure fits the explanation: within two sigma, to the digits printed.
  bool explains() const;

  /// "agrees", "explained", "agrees; so does the explanation", "unexplained", or nothing when
  /// nothing is published or there is no band.
  std::string verdict() const;
};

/// The number that a figure is printed as, and half a unit of its last digit: ".518" is .518 and
/// .0005.
struct Printed {
  double value;
  double rounding;
};
Printed parse_published(std::string_view text);

}  // namespace tapegrad::examples
