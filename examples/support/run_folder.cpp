#include "examples/support/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "examples/support/print.h"
#include "nn/state.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors.h"
#include "tensor/sha256.h"

namespace tapegrad::examples {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const optim::Scores& scores, double penalty) {
  return {{"cost", scores.loss + penalty}, {"loss", scores.loss}, {"accuracy", scores.accuracy}};
}

Json to_json(const FinalScores& s) {
  return {{"step", s.step},
          {"train", to_json(s.train, s.penalty)},
          {"validation", to_json(s.validation, s.penalty)},
          {"test", to_json(s.test, s.penalty)}};
}

Json data_json(const Dataset& images) {
  Json files = Json::array();
  for (const auto& file : images.files) {
    files.push_back({{"path", file.string()}, {"sha256", to_hex(sha256_of_file(file))}});
  }
  return {{"source", images.source}, {"files", files}};
}

// A path need not be UTF-8, but JSON must be.
std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json options_json(const CommandLine& command_line) {
  Json options = Json::object();
  for (const auto& [name, value] : command_line.values()) options[name] = value;
  return options;
}

template <Real T>
void write_model(const std::filesystem::path& path, const std::string& program,
                 const ParameterList<T>& parameters, const data::Standardizer& standardizer) {
  const Shape features{standardizer.features()};
  Safetensors file;
  file.metadata["program"] = program;
  nn::store_parameters(file, parameters);
  file.add<double>("standardizer.mean", {standardizer.mean().data(), features});
  file.add<double>("standardizer.std", {standardizer.std().data(), features});
  write_safetensors(path, file);
}

}  // namespace

void prepare_folder(const std::filesystem::path& folder, std::span<const char* const> files) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw FileError(fmt::format("cannot create {}: {}", folder.string(), error.message()));
  require_writable(folder);
  for (const char* name : files) require_replaceable(folder / name);
}

FinalScores final_scores(const optim::Measurement& kept, const optim::Scores& test) {
  return {kept.step, kept.penalty, kept.train, kept.validation, test};
}

std::string to_string(const FinalScores& scores) {
  std::string text = fmt::format("{:<12} {:>8} {:>8} {:>9}\n", "", "cost", "loss", "accuracy");
  const auto number = [](double x) {
    return x < 1000 ? fmt::format("{:.4f}", x) : fmt::format("{:.2e}", x);
  };
  const auto line = [&](const char* name, const optim::Scores& s) {
    text += fmt::format("{:<12} {:>8} {:>8} {:>9.4f}\n", name, number(s.loss + scores.penalty),
                        number(s.loss), s.accuracy);
  };
  line("train", scores.train);
  line("validation", scores.validation);
  line("test", scores.test);
  return text;
}

std::function<void(const optim::Measurement&)> print_unless(bool quiet) {
  if (quiet) return {};
  return [](const optim::Measurement& m) {
    if (m.step == 0) {
      print("{:>6} {:>7} {:>9}   {:>8} {:>7} {:>8}   {:>8} {:>7} {:>8}\n", "step", "epoch", "lr",
            "train: cost", "loss", "accuracy", "val: cost", "loss", "accuracy");
    }
    print("{:>6} {:>7.2f} {:>9.2e}   {:>11.4f} {:>7.4f} {:>8.4f}   {:>9.4f} {:>7.4f} {:>8.4f}\n",
          m.step, m.epoch, m.lr, m.train_cost(), m.train.loss, m.train.accuracy,
          m.validation_cost(), m.validation.loss, m.validation.accuracy);
    std::fflush(stdout);
  };
}

Run::Run(std::string program, std::filesystem::path folder)
    : program_(std::move(program)), folder_(std::move(folder)) {
  prepare_folder(folder_, result_names);
}

template <Real T>
void Run::save(const std::vector<optim::Measurement>& history, const FinalScores& scores,
               const ParameterList<T>& parameters, const Dataset& images,
               const CommandLine& command_line) {
  steps_ = history.back().step;
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const Json summary = {{"program", program_},
                        {"data", data_json(images)},
                        {"options", options_json(command_line)},
                        {"parameters", parameters.count()},
                        {"steps", steps_},
                        {"steps_before_resumption", steps_before_},
                        {"seconds", seconds_},
                        {"final", to_json(scores)}};
  const auto& [history_name, summary_name, weights_name] = result_names;
  // what takes longest to get again comes first
  write_model(folder_ / weights_name, program_, parameters, images.standardizer);
  write_file(folder_ / history_name, optim::to_csv(history));
  write_file(folder_ / summary_name, text_of(summary));
}

std::string Run::closing_line() const {
  return fmt::format(
      "{} steps{} in {:.1f} s; history.csv, summary.json and weights.safetensors in {}", steps_,
      steps_before_ > 0 ? fmt::format(", {} of them now,", steps_ - steps_before_) : "", seconds_,
      folder_.string());
}

template void Run::save(const std::vector<optim::Measurement>&, const FinalScores&,
                        const ParameterList<float>&, const Dataset&, const CommandLine&);
template void Run::save(const std::vector<optim::Measurement>&, const FinalScores&,
                        const ParameterList<double>&, const Dataset&, const CommandLine&);

}  // namespace tapegrad::examples
