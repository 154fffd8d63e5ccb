#include "examples/replication/write_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "examples/replication/pictures.h"
#include "examples/report/document.h"
#include "examples/report/predictions.h"
#include "examples/support/report_checks.h"
#include "examples/support/run_folder.h"
#include "optim/lint.h"
#include "tensor/file.h"
#include "tensor/runtime.h"
#include "tensor/sha256.h"

namespace tapegrad::examples {
namespace {

// "three cycles" and .01 as a part of a file's name.
std::string file_name(const Experiment& e) {
  std::string name = fmt::format("{}-{}-{}", e.report, e.section, e.lambda);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

// Trainings of a report that differ in lambda alone.
struct Search {
  std::string_view name;  // of the first one's section
  std::vector<Comparison> figures;
};

// Writes one document; its parts are the sections below, in reading order.
class Writer {
 public:
  Writer(const Replication& replication, const PlannedImages& images,
         const ReportSettings& settings)
      : replication_(replication),
        images_(images),
        settings_(settings),
        all_(compare_all(replication, settings.quick ? Bands::parse("") : Bands::committed())),
        tally_(tally(all_)) {}

  Tally write() {
    prepare_report(settings_.folder);
    write_tables();
    introduction();
    for (const Report& r : all_reports()) {
      if (!experiments(r.number).empty()) chapter(r);
    }
    images_chapter();
    method_chapter();
    document_.write(settings_.folder / "report");
    return tally_;
  }

 private:
  std::filesystem::path picture(const std::string& name) const {
    return settings_.folder / "pictures" / name;
  }

  std::vector<const Replicated*> experiments(std::string_view report) const {
    std::vector<const Replicated*> found;
    for (const Replicated& r : replication_.experiments) {
      if (r.experiment->report == report) found.push_back(&r);
    }
    return found;
  }

  void write_tables() const {
    write_file(settings_.folder / "figures.csv", to_csv(all_));
    write_file(settings_.folder / "figures.json", to_json(all_));
    for (const Replicated& r : replication_.experiments) {
      const auto stem = settings_.folder / "histories" / file_name(*r.experiment);
      write_file(stem.string() + ".csv", optim::to_csv(r.correct->history));
      write_file(stem.string() + "-explained.csv", optim::to_csv(r.explained->history));
    }
  }

  void introduction();
  void key_figures();
  void chapter(const Report& report);
  void gradient_table(const Report& report);
  void findings(const Report& report);
  void trainings(const Report& report);
  std::vector<Search> search_figures(const Report& report) const;
  void searches(const Report& report);
  void templates(const Report& report);
  void probabilities(const Report& report);
  Predictions predict(const TrainingRun& run) const;
  void images_chapter();
  void method_chapter();

  const Replication& replication_;
  const PlannedImages& images_;
  const ReportSettings& settings_;
  std::vector<Comparison> all_;
  Tally tally_;
  report::Document document_{"Five student reports, run again"};
};

void Writer::introduction() {
  if (settings_.quick) {
    document_.paragraph(
        "This is a quick pass over everything, with a few steps on a few synthetic images. Its "
        "figures mean nothing; run without --quick for a replication.");
  } else {
    document_.paragraph(
        "Five published student reports train a linear and a two-layer network on CIFAR-10. Here "
        "every training that they describe is made again, by the method that their course "
        "describes and, beside it, with the change or changes that best explain the report's "
        "figures. Bands show how far a figure moves when only the random seed changes. What is "
        "said to explain a figure is inferred from figures; nobody's code was read.");
    const auto ratio = [](Index part, Index whole) { return fmt::format("{} of {}", part, whole); };
    document_.summary(
        {{"our figures inside their band", ratio(tally_.in_band, tally_.ours),
          fmt::format("the course's method, mean ± 3 sigma; with the explanations {}",
                      tally_.explained_in_band),
          tally_.in_band == tally_.ours ? report::Verdict::good : report::Verdict::bad},
         {"published figures that agree", ratio(tally_.agree, tally_.published),
          "with the course's method"},
         {"explained", ratio(tally_.explained, tally_.published),
          "by the report's explanation, within 2 sigma"},
         {"unexplained", ratio(tally_.unexplained, tally_.published), "by either"}});
  }
  document_.summary(
      {{"trainings", fmt::format("{}", replication_.effort.trainings)},
       {"steps", fmt::format("{}", replication_.effort.steps)},
       {"time", fmt::format("{:.0f} s", replication_.effort.seconds),
        fmt::format("{:.3f} ms a step and thread", replication_.effort.milliseconds_per_step())},
       {"share of measuring", fmt::format("{:.0f} %", replication_.effort.percent_measuring())}});
  key_figures();
}

void Writer::key_figures() {
  std::vector<report::Row> rows;
  std::vector<std::string> explanations;
  for (const Comparison& c : all_) {
    if (!c.figure.experiment->key || !c.explained_band) continue;
    const Experiment& e = *c.figure.experiment;
    rows.push_back({std::string(e.report),
                    std::string(e.section),
                    fmt::format("{:g}", e.lambda),
                    short_name(c.figure.quantity),
                    std::string(c.figure.published),
                    fmt::format("{:.4f}", c.correct_band->mean),
                    fmt::format("{:.4f} ± {:.4f}", c.explained_band->mean,
                                2 * published_sigma(c.figure, *c.explained_band)),
                    {c.explains() ? "met" : "not met",
                     c.explains() ? report::Verdict::good : report::Verdict::bad}});
    std::string line = fmt::format("Report {}: {}.", e.report, explanation_of(e.report).what);
    if (explanations.empty() || explanations.back() != line) explanations.push_back(line);
  }
  if (rows.empty()) return;
  document_.heading(1, "What explains the figures that do not fit");
  document_.paragraph(
      "Three of the four reports on the second assignment behave as if trained with a wrong "
      "gradient of the penalty, though all passed a gradient check: a check at lambda 0, or of "
      "the loss instead of the update, cannot see it. The explanations were found by trying which "
      "change makes these key figures come out, so the tables of the reports, with all their other "
      "figures, are the better test of them.");
  document_.list(std::move(explanations));
  document_.table({"report", "section", "lambda", "figure", "published", "course's method",
                   "explained, ± 2σ", "verdict"},
                  std::move(rows), "Key figures, and whether the explanations meet them.");
}

void Writer::chapter(const Report& report) {
  document_.heading(1, fmt::format("Report {}", report.number));
  document_.paragraph(
      fmt::format("{}. Explanation: {}.", report.title, explanation_of(report.number).what));
  findings(report);
  add_table(document_, of_report(all_, report.number),
            fmt::format("Every figure of report {}'s trainings: published; ours, by the course's "
                        "method, in its band; ours with the explanation.",
                        report.number));
  trainings(report);
  searches(report);
  templates(report);
  probabilities(report);
  gradient_table(report);
}

// What the report states that does not fit together, found by reading or by lint.
void Writer::findings(const Report& report) {
  std::vector<std::string> items;
  if (!report.remarks.empty()) items.emplace_back(report.remarks);
  for (const Replicated* r : experiments(report.number)) {
    const Training& t = r->experiment->training;
    if (t.lr_min == t.lr_max || settings_.quick) continue;
    const Index images = images_.of(r->correct->plan).train.size();
    for (std::string& finding : optim::lint_cycles({.half_cycle = t.half_cycle,
                                .steps = 2 * t.half_cycle * t.cycles,
                                .steps_per_epoch = images / t.batch_size,
                                .stated_cycles = t.stated_cycles})) {
      if (std::find(items.begin(), items.end(), finding) == items.end()) {
        items.push_back(std::move(finding));
      }
    }
  }
  if (!items.empty()) document_.list(std::move(items));
}

void Writer::trainings(const Report& report) {
  for (const Replicated* r : experiments(report.number)) {
    const Experiment& e = *r->experiment;
    const bool curves = e.section == "one cycle" || e.section == "three cycles" ||
                        e.section == "overfitting" || e.section == "final training" ||
                        report.number == "001";
    if (!curves) continue;
    document_.picture(
        draw_training(picture(file_name(e)), *r),
        fmt::format("Report {}, {}, lambda {:g}.", report.number, e.section, e.lambda));
  }
}

// The validation accuracies of a report's searches, those that train alike together.
std::vector<Search> Writer::search_figures(const Report& report) const {
  std::map<std::pair<Split, Index>, Search> searches;
  for (const Comparison& c : of_report(all_, report.number)) {
    const Experiment& e = *c.figure.experiment;
    const bool validation =
        c.figure.quantity == Quantity::validation || c.figure.quantity == Quantity::best_validation;
    if (!validation || e.section.find("search") == std::string_view::npos) continue;
    Search& search = searches[{e.training.split, e.training.cycles}];
    if (search.figures.empty()) search.name = e.section;
    search.figures.push_back(c);
  }
  std::vector<Search> found;
  for (auto& [training, search] : searches) found.push_back(std::move(search));
  return found;
}

void Writer::searches(const Report& report) {
  for (const auto& [section, figures] : search_figures(report)) {
    std::string name = fmt::format("{}-{}", report.number, section);
    std::replace(name.begin(), name.end(), ' ', '-');
    const Training& t = figures.front().figure.experiment->training;
    document_.picture(draw_search(picture(name), figures),
                      fmt::format("Report {}, every training of {} cycles in its searches: "
                                  "validation accuracy over lambda, with bars of three sigma.",
                                  report.number, t.cycles));
    std::vector<optim::SearchRow> rows;
    for (const Comparison& c : figures) {
      if (!c.explained_band) continue;
      rows.push_back({.values = {c.figure.experiment->lambda},
                      .mean = c.explained,
                      .standard_error = published_sigma(c.figure, *c.explained_band)});
    }
    for (const std::string& finding : optim::lint_search({"lambda", 1e-5, 1e-1}, rows)) {
      document_.paragraph("With the explanation the search itself gives a warning: " + finding +
                          ".");
    }
  }
}

void Writer::templates(const Report& report) {
  for (const Replicated* r : experiments(report.number)) {
    const Experiment& e = *r->experiment;
    if (e.training.hidden > 0) continue;
    document_.picture(draw_templates(picture(file_name(e) + "-weights"), *r->correct),
                      fmt::format("Report {}, {}, lambda {:g}: the weights of each class.",
                                  report.number, e.section, e.lambda));
  }
}

Predictions Writer::predict(const TrainingRun& run) const {
  const Dataset& images = images_.of(run.plan);
  return Evaluator<float>(*run.network, images.standardizer).predict(images.test);
}

// Assignment 1's bonus: how sure one layer is of the true class, with either loss.
void Writer::probabilities(const Report& report) {
  for (const Replicated* r : experiments(report.number)) {
    const Experiment& e = *r->experiment;
    if (e.training.hidden > 0 || (e.lambda != 0.1 && e.section != "bonus (K sigmoids)")) continue;
    document_.picture(
        report::true_probabilities({.stem = picture(file_name(e) + "-probabilities")},
                                   images_.of(r->correct->plan).test, predict(*r->correct)),
        fmt::format("Report {}, {}, lambda {:g}: the probability (softmax) of the true class.",
                    report.number, e.section, e.lambda));
  }
}

void Writer::gradient_table(const Report& report) {
  const Dataset& images = images_.of(experiments(report.number)[0]->correct->plan);
  for (const ReportCheck& check : check_reports(std::string(report.number), images)) {
    std::vector<report::Row> rows;
    for (const CheckFigure& f : check.figures) {
      rows.push_back({f.what,
                      fmt::format("{}{:.3e}", f.bound ? "< " : "", f.published),
                      fmt::format("{:.3e}", f.ours),
                      fmt::format("{:.1e}", f.exact),
                      {f.same_order() ? "same order" : "differs",
                       f.same_order() ? report::Verdict::good : report::Verdict::warn}});
    }
    document_.heading(2, fmt::format("Gradient check of report {}", report.number));
    document_.paragraph(check.setting + ".");
    document_.table({"figure", "published", "ours", "against exact derivatives", "verdict"},
                    std::move(rows),
                    fmt::format("The gradient table of report {}.", report.number));
  }
}

// The images, and what the trained networks make of them.
void Writer::images_chapter() {
  const Replicated& last = replication_.experiments.back();
  const Dataset& data = images_.of(last.correct->plan);
  document_.heading(1, "The images, and where a network goes wrong");
  document_.picture(report::labelled_images({.stem = picture("images")}, data.train, 60),
                    "Training images with their classes.");
  const Replicated* best = &replication_.experiments.front();
  for (const Replicated& r : replication_.experiments) {
    if (r.correct->test.accuracy > best->correct->test.accuracy) best = &r;
  }
  const Dataset& trained_on = images_.of(best->correct->plan);
  const Predictions predictions = predict(*best->correct);
  const std::string which = fmt::format(
      "the network of report {}, {}, lambda {:g} (test accuracy {:.4f})", best->experiment->report,
      best->experiment->section, best->experiment->lambda, best->correct->test.accuracy);
  document_.picture(report::confusion({.stem = picture("confusion")}, trained_on.test, predictions),
                    fmt::format("Confusion matrix of {}.", which));
  document_.picture(
      report::surest_mistakes({.stem = picture("mistakes")}, trained_on.test, predictions, 40),
      fmt::format("The surest mistakes of {}: true class, then predicted class with "
                  "its probability.",
                  which));
  document_.picture(
      draw_gradient_errors(picture("gradient-errors"), trained_on),
      "Relative errors of the entries of a two-layer network's gradient (20 inputs, 100 images, "
      "lambda .01): what is left is the error of the differences, not of the gradient.");
}

void Writer::method_chapter() {
  document_.heading(1, "Method and record");
  document_.list(
      {"Band: mean ± 3 sigma of trainings that differ in the seed alone (the committed table "
       "bands.csv; reproduce --bands makes it again). Sigma is the larger of the figure's own and "
       "the one pooled over figures of its kind, times (1 + 1 / seeds)^(1/2) because the mean is "
       "known only so well. Published figures had no part in it.",
       "agrees: the published figure is within three sigma of the course's method, to the digits "
       "printed; explained: it is not, but within two sigma of the mean with the report's "
       "explanation; unexplained: neither.",
       "For these verdicts sigma of a search's validation accuracy also contains the choice of the "
       "5,000 (or 1,000) validation images, which reports do not state: about .007 (.016).",
       "Each training of a search has a seed of its own; equal trainings of several reports are "
       "made once."});
  std::vector<report::Row> options;
  for (const auto& [name, value] : settings_.options) options.push_back({name, value});
  document_.table({"option", "value"}, std::move(options), "The options of this run.");
  const Dataset& data = images_.of(replication_.experiments.front().correct->plan);
  std::vector<report::Row> files;
  for (const auto& file : data.files) {
    files.push_back({file.filename().string(), to_hex(sha256_of_file(file))});
  }
  document_.paragraph(fmt::format("Images: {}. Computed with {}.", data.source, build_info()));
  if (!files.empty()) {
    document_.table({"file", "SHA-256"}, std::move(files), "The image files.");
  }
}

}  // namespace

void prepare_report(const std::filesystem::path& folder) {
  constexpr const char* files[] = {"report.html", "report.md", "figures.csv", "figures.json"};
  prepare_folder(folder, files);
  for (const char* inner : {"pictures", "histories"}) prepare_folder(folder / inner);
}

Tally write_report(const Replication& replication, const PlannedImages& images,
                   const ReportSettings& settings) {
  return Writer(replication, images, settings).write();
}

}  // namespace tapegrad::examples
