// The figures of a replication as rows, for files and for readers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "examples/replication/replication.h"
#include "examples/report/document.h"

namespace tapegrad::examples {

/// The quantity in a column headed "accuracy": "train", "best validation".
std::string short_name(Quantity quantity);

/// All comparisons, in the order of the experiments.
std::vector<Comparison> compare_all(const Replication& replication, const Bands& bands);

/// Of one report.
std::vector<Comparison> of_report(const std::vector<Comparison>& all, std::string_view report);

/// "report,section,lambda,quantity,published,ours,mean,sigma,in_band,explained,explained_mean,
/// explained_sigma,verdict" and a line per figure; what there is not is left empty.
std::string to_csv(const std::vector<Comparison>& all);

/// The same as a JSON array of objects.
std::string to_json(const std::vector<Comparison>& all);

/// How the figures came out, counted.
struct Tally {
  Index published = 0;  // figures with a verdict
  Index agree = 0;      // with the course's method
  Index explained = 0;  // by the report's explanation only
  Index unexplained = 0;
  Index ours = 0;               // figures by either method
  Index in_band = 0;            // by the course's method, inside their bands
  Index explained_in_band = 0;  // with the explanation, inside theirs
  Index keys = 0;               // figures that an explanation has to meet
  Index keys_met = 0;
};
Tally tally(const std::vector<Comparison>& all);

/// A table for readers: published, ours, band, verdict, and the same with the explanation.
void add_table(report::Document& document, const std::vector<Comparison>& figures,
               const std::string& caption);

}  // namespace tapegrad::examples
