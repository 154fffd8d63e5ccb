#include "examples/replication/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tapegrad::examples {
namespace {

std::string band_text(const std::optional<Band>& band, double width) {
  return band ? fmt::format("{:.4f} ± {:.4f}", band->mean, width) : "";
}

double seeds_sigma(const std::optional<Band>& band) { return band ? band->sigma : 0; }

double explained_sigma(const Comparison& c) {
  return c.explained_band ? published_sigma(c.figure, *c.explained_band) : 0;
}

report::Verdict colour(const Comparison& c) {
  if (c.verdict().empty()) return report::Verdict::none;
  if (c.agrees()) return report::Verdict::good;
  return c.explains() ? report::Verdict::neutral : report::Verdict::warn;
}

report::Cell ours(const Comparison& c) {
  const std::string text = fmt::format("{:.4f}", c.correct);
  if (!c.correct_band) return text;
  return {text, c.in_band() ? report::Verdict::good : report::Verdict::bad};
}

}  // namespace

std::string short_name(Quantity quantity) {
  const std::string name = to_string(quantity);
  return name.substr(0, name.find(" accuracy"));
}

std::vector<Comparison> compare_all(const Replication& replication, const Bands& bands) {
  std::vector<Comparison> all;
  for (const Replicated& one : replication.experiments) {
    for (const Comparison& c : one.compare(bands)) all.push_back(c);
  }
  return all;
}

std::vector<Comparison> of_report(const std::vector<Comparison>& all, std::string_view report) {
  std::vector<Comparison> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Comparison& c) { return c.figure.experiment->report == report; });
  return some;
}

std::string to_csv(const std::vector<Comparison>& all) {
  std::string text =
      "report,section,lambda,quantity,published,ours,mean,sigma,in_band,explained,explained_mean,"
      "explained_sigma,verdict\n";
  const auto band = [](const std::optional<Band>& b) {
    return b ? fmt::format("{},{}", b->mean, b->sigma) : std::string(",");
  };
  for (const Comparison& c : all) {
    const Experiment& e = *c.figure.experiment;
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", e.report, e.section, e.lambda,
                        to_string(c.figure.quantity), c.figure.published, c.correct,
                        band(c.correct_band), c.correct_band ? (c.in_band() ? "1" : "0") : "",
                        c.explained, band(c.explained_band), c.verdict());
  }
  return text;
}

std::string to_json(const std::vector<Comparison>& all) {
  using Json = nlohmann::ordered_json;
  const auto band = [](const std::optional<Band>& b) {
    return b ? Json{{"mean", b->mean}, {"sigma", b->sigma}, {"seeds", b->seeds}} : Json();
  };
  Json figures = Json::array();
  for (const Comparison& c : all) {
    const Experiment& e = *c.figure.experiment;
    figures.push_back({{"report", e.report},
                       {"section", e.section},
                       {"lambda", e.lambda},
                       {"quantity", to_string(c.figure.quantity)},
                       {"published", c.figure.published},
                       {"ours", c.correct},
                       {"band", band(c.correct_band)},
                       {"in_band", c.correct_band ? Json(c.in_band()) : Json()},
                       {"explained", c.explained},
                       {"explained_band", band(c.explained_band)},
                       {"verdict", c.verdict()}});
  }
  return figures.dump(1) + "\n";
}

Tally tally(const std::vector<Comparison>& all) {
  Tally t;
  for (const Comparison& c : all) {
    ++t.ours;
    t.in_band += c.in_band();
    t.explained_in_band += c.explained_in_band();
    if (c.verdict().empty()) continue;
    ++t.published;
    if (c.agrees()) {
      ++t.agree;
    } else {
      ++(c.explains() ? t.explained : t.unexplained);
    }
    if (c.figure.experiment->key) {
      ++t.keys;
      t.keys_met += c.explains();
    }
  }
  return t;
}

void add_table(report::Document& document, const std::vector<Comparison>& figures,
               const std::string& caption) {
  std::vector<report::Row> rows;
  for (const Comparison& c : figures) {
    const Experiment& e = *c.figure.experiment;
    rows.push_back({std::string(e.section),
                    fmt::format("{:.4g}", e.lambda),
                    short_name(c.figure.quantity),
                    std::string(c.figure.published),
                    ours(c),
                    band_text(c.correct_band, 3 * seeds_sigma(c.correct_band)),
                    fmt::format("{:.4f}", c.explained),
                    band_text(c.explained_band, 2 * explained_sigma(c)),
                    {c.verdict(), colour(c)}});
  }
  document.table({"section", "lambda", "accuracy", "published", "ours", "band, ± 3σ", "explained",
                  "mean ± 2σ", "verdict"},
                 std::move(rows), caption);
}

}  // namespace tapegrad::examples
