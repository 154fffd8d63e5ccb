// The gradient tables that five published student reports give, computed again.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "examples/support/dataset.h"

namespace tapegrad::examples {

/// One figure of a report beside ours.
struct CheckFigure {
  std::string what;
  double published;
  double ours;
  double exact;  // the same metric against exact derivatives: what a better check gives
  bool bound;    // the published figure is an upper bound, not a value

  /// Within a factor of ten of the published value, or below the published bound.
  bool same_order() const;
};

/// One report's table.
struct ReportCheck {
  std::string report;
  std::string setting;  // network, images, scheme, h, metric, initialisation
  std::vector<CheckFigure> figures;
};

/// The tables of reports 000 to 004. Throws OptionError for another name; "all" gives all.
std::vector<ReportCheck> check_reports(const std::string& report, const Dataset& images);

std::string to_string(const ReportCheck& check);

}  // namespace tapegrad::examples
