#include "optim/history.h"

#include <fmt/format.h>

#include <cmath>

namespace tapegrad::optim {
namespace {

// JSON knows neither NaN nor infinity.
std::string number(double x) { return std::isfinite(x) ? fmt::format("{}", x) : "null"; }

std::string field(double x) { return std::isnan(x) ? "" : fmt::format("{}", x); }

std::string json_scores(const char* name, double cost, const Scores& scores) {
  return fmt::format(R"("{}": {{"cost": {}, "loss": {}, "accuracy": {}}})", name, number(cost),
                     number(scores.loss), number(scores.accuracy));
}

}  // namespace

std::string to_csv(const std::vector<Measurement>& history) {
  std::string text =
      "step,epoch,lr,train_cost,train_loss,train_accuracy,"
      "validation_cost,validation_loss,validation_accuracy\n";
  for (const Measurement& m : history) {
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{}\n", m.step, m.epoch, m.lr, field(m.train_cost()),
                    field(m.train.loss), field(m.train.accuracy), field(m.validation_cost()),
                    field(m.validation.loss), field(m.validation.accuracy));
  }
  return text;
}

std::string to_json(const std::vector<Measurement>& history) {
  std::string text = "[";
  for (const Measurement& m : history) {
    text += fmt::format(R"({}{{"step": {}, "epoch": {}, "lr": {}, {}, {}}})",
                        text.size() == 1 ? "\n" : ",\n", m.step, number(m.epoch), number(m.lr),
                        json_scores("train", m.train_cost(), m.train),
                        json_scores("validation", m.validation_cost(), m.validation));
  }
  return text + "\n]\n";
}

}  // namespace tapegrad::optim
