// What a Trainer saves and restores.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "optim/trainer.h"
#include "tensor/error.h"

namespace tapegrad::optim {
namespace {

constexpr Index history_columns = 8;

Tensor<double> to_tensor(const std::vector<Measurement>& history) {
  Tensor<double> table({std::ssize(history), history_columns});
  double* row = table.data();
  for (const Measurement& m : history) {
    const double numbers[history_columns] = {static_cast<double>(m.step),
                                             m.epoch,
                                             m.lr,
                                             m.penalty,
                                             m.train.loss,
                                             m.train.accuracy,
                                             m.validation.loss,
                                             m.validation.accuracy};
    row = std::copy(std::begin(numbers), std::end(numbers), row);
  }
  return table;
}

// What is kept as a double is a count that doubles hold exactly.
Index to_step(double number) {
  constexpr double most = 9007199254740992;  // 2^53
  if (!(number >= 0 && number <= most) || number != std::floor(number)) {
    throw FormatError(fmt::format("trainer: the history has a measurement after {} steps", number));
  }
  return static_cast<Index>(number);
}

std::vector<Measurement> to_history(const Tensor<double>& table) {
  if (table.shape().rank() != 2 || table.shape()[1] != history_columns) {
    throw FormatError(fmt::format("trainer: the history is {}, but must be [measurements, {}]",
                                  to_string(table.shape()), history_columns));
  }
  std::vector<Measurement> history;
  for (Index i = 0; i < table.shape()[0]; ++i) {
    history.push_back({to_step(table(i, 0)),
                       table(i, 1),
                       table(i, 2),
                       table(i, 3),
                       {table(i, 4), table(i, 5)},
                       {table(i, 6), table(i, 7)}});
  }
  return history;
}

template <Real T>
void require_listed(const ParamGroups<T>& groups, const ParameterList<T>& parameters) {
  for (const auto& group : groups) {
    for (const auto& p : group.parameters) {
      const bool listed = std::any_of(parameters.begin(), parameters.end(),
                                      [&](const auto& q) { return q.parameter == p.parameter; });
      if (!listed) {
        throw OptionError(fmt::format(
            "checkpoint: parameter `{}` of the optimizer is not among those to save", p.name));
      }
    }
  }
}

}  // namespace

// What belongs together at one moment.
template <Real T>
ParameterValues<T> Trainer<T>::values() const {
  return listed_ ? ParameterValues<T>(*listed_) : values_of(optimizer_.groups());
}

template <Real T>
Safetensors Trainer<T>::save() const {
  Safetensors state;
  state.add<double>("history", to_tensor(history_));
  const std::int64_t progress[] = {static_cast<std::int64_t>(best_), stopped_ ? 1 : 0,
                                   static_cast<std::int64_t>(kept_.size())};
  state.add_integers("best_stopped_kept", progress);
  std::size_t i = 0;
  for (const auto& kept : kept_) state.add<T>("kept/" + (*listed_)[i++].name, kept.second);
  return state;
}

template <Real T>
void Trainer<T>::restore(const Safetensors& state) {
  std::vector<Measurement> history = to_history(state.at("history").template as<double>());
  const std::vector<std::int64_t> progress = state.at("best_stopped_kept").integers();
  ParameterValues<T> kept;
  if (progress.size() == 3 && progress[2] > 0) kept = values();
  const bool fits = progress.size() == 3 && progress[0] >= 0 &&
                    (progress[0] < std::ssize(history) || progress[0] == 0) &&
                    progress[2] == static_cast<std::int64_t>(kept.size());
  if (!fits) throw FormatError("trainer: its history and its best do not fit together");
  if (options_.keep_best && kept.size() == 0 && !history.empty()) {
    throw FormatError("trainer: keep_best was off, so nothing was kept of the best measurement");
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::string name = "kept/" + (*listed_)[i].name;
    const auto value = state.at(name).template as<T>();
    if (value.shape() != (*listed_)[i].parameter->shape()) {
      throw FormatError(fmt::format("trainer: {} has another shape", name));
    }
    kept.set(i, value);
  }
  history_ = std::move(history);
  best_ = static_cast<std::size_t>(progress[0]);
  stopped_ = progress[1] != 0;
  kept_ = options_.keep_best ? std::move(kept) : ParameterValues<T>();  // else it would grow old
}

template <Real T>
Index Trainer<T>::checkpoint(CheckpointOptions options, const ParameterList<T>& parameters,
                             std::vector<StatePiece> others) {
  require_listed(optimizer_.groups(), parameters);
  listed_ = parameters;
  if (!options.settings.emplace("numbers", std::same_as<T, float> ? "float" : "double").second) {
    throw OptionError("checkpoint: the setting \"numbers\" is the trainer's: call yours otherwise");
  }
  const bool resume = options.resume;
  std::vector<StatePiece> pieces = std::move(others);
  pieces.push_back({"optimizer", [this] { return optimizer_.save(); },
                    [this](const Safetensors& state) { optimizer_.restore(state); }});
  pieces.push_back(
      {"trainer", [this] { return save(); }, [this](const Safetensors& state) { restore(state); }});
  pieces.push_back(parameters_of(parameters));
  checkpoints_.emplace(std::move(options), std::move(pieces));
  const std::optional<Index> step = resume ? checkpoints_->resume() : std::nullopt;
  if (!step) return 0;
  if (*step != optimizer_.steps()) {
    throw FormatError(fmt::format("{}: the optimizer made {} steps",
                                  checkpoints_->path(*step).string(), optimizer_.steps()));
  }
  resumed_ = true;
  saved_step_ = *step;
  steps_ahead_ = *step;
  return *step;
}

template ParameterValues<float> Trainer<float>::values() const;
template ParameterValues<double> Trainer<double>::values() const;
template Safetensors Trainer<float>::save() const;
template Safetensors Trainer<double>::save() const;
template void Trainer<float>::restore(const Safetensors&);
template void Trainer<double>::restore(const Safetensors&);
template Index Trainer<float>::checkpoint(CheckpointOptions, const ParameterList<float>&,
                                          std::vector<StatePiece>);
template Index Trainer<double>::checkpoint(CheckpointOptions, const ParameterList<double>&,
                                           std::vector<StatePiece>);

}  // namespace tapegrad::optim
