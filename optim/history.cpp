#include "optim/history.h"

#include <fmt/format.h>

#include <cmath>

namespace tapegrad::optim {
namespace {

std::string field(double x) { return std::isnan(x) ? "" : fmt::format("{}", x); }

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

}  // namespace tapegrad::optim
