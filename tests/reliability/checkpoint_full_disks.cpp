// Trains while the disk is full, read-only, gone and the like, and looks at what that leaves.
//
// Each condition gets a process of its own, with mounts that nobody else sees. It strikes a
// training, which is started again while it lasts and once more when it is over. Exit code 1 for a
// complaint; 77 when the system does not let us make a condition: mounts take the rights of root,
// or namespaces of the user's own.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "data/loader.h"
#include "nn/activations.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "optim/sgd.h"
#include "optim/trainer.h"
#include "tensor/checksums.h"
#include "tensor/error.h"
#include "tests/data/temporary_folder.h"
#include "tests/reliability/disk_conditions.h"

using namespace tapegrad;
using test::Condition;
using test::Place;
namespace fs = std::filesystem;

namespace {

constexpr Index all_steps = 30;
constexpr Index features = 192;
const std::string earlier_history = "of an earlier training\n";

// ---- The training ----

data::ImageSet some_images() {
  data::ImageSet images(40, features);
  Rng rng(1);
  for (auto& byte : images.pixels) byte = static_cast<std::uint8_t>(rng.below(256));
  for (auto& label : images.labels) label = static_cast<std::int32_t>(rng.below(3));
  return images;
}

struct Outcome {
  Index begun = 0;              // the step that it went on from
  std::vector<std::byte> bits;  // parameters, generators and optimizer after the last step
  std::string history;
  std::vector<std::string> warnings;
  std::string error;  // a FileError, at the start or from writing the history
};

bool refused(const Outcome& outcome) { return outcome.bits.empty() && !outcome.error.empty(); }

// As the example programs do: resumes when there is something to resume, trains with checkpoints in
// disk/kept and writes disk/history.csv at the end.
Outcome train(const fs::path& disk, const std::function<void(Index)>& after_step) {
  const data::ImageSet images = some_images();
  const auto standardizer = data::Standardizer::fit(images);
  Rng rng(2);
  nn::Sequential<float> net;
  net.add<nn::Linear<float>>(features, 32, rng);
  net.add<nn::Relu<float>>();
  net.add<nn::Dropout<float>>(0.2, rng);
  net.add<nn::Linear<float>>(32, 3, rng);
  optim::Sgd<float> sgd(optim::decay_matrices(net.parameters(), 0.01),
                        optim::CyclicLr{.lr_min = 1e-4, .lr_max = 0.05, .half_cycle = 8},
                        optim::SgdOptions{.momentum = 0.9});
  data::Loader<float> batches(images, standardizer, 8, rng.split());
  const auto loss = [&](Tape<float>& tape) {
    const auto [x, y] = batches.next();
    return softmax_cross_entropy(net(tape.constant(x)), y);
  };
  const auto on_step = [&](Index step, double) {
    if (step < all_steps) after_step(step);
  };
  optim::Trainer<float> trainer(
      sgd, loss, {.measure_when = optim::every(10), .on_step = on_step, .progress = false});
  Outcome outcome;
  try {
    outcome.begun = trainer.checkpoint(
        {.folder = disk / "kept",
         .every = 5,
         .resume = true,
         .warn = [&](const std::string& text) { outcome.warnings.push_back(text); }},
        net.parameters(), {optim::position_of(batches)});
    trainer.run(all_steps);
    outcome.bits = serialize_safetensors(optim::parameters_of(net.parameters()).save());
    const auto state = serialize_safetensors(sgd.save());
    outcome.bits.insert(outcome.bits.end(), state.begin(), state.end());
    outcome.history = optim::to_csv(trainer.history());
    after_step(all_steps);  // now that all is saved
    write_file(disk / "history.csv", outcome.history);
  } catch (const FileError& error) {
    outcome.error = error.what();
  }
  return outcome;
}

// ---- What must be so ----

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Under the condition: warnings and errors say what and why, and the numbers are not touched.
std::string complaint(const Outcome& outcome, const Condition& condition, const Place& place,
                      const Outcome& right) {
  std::vector<std::string> told = outcome.warnings;
  if (!outcome.error.empty()) told.push_back(outcome.error);
  for (const std::string& text : told) {
    const bool clear = has(text, place.disk.string()) && has(text, condition.reason);
    if (!clear) return "it does not say what and why: " + text;
  }
  const bool same = refused(outcome) || outcome.bits == right.bits;
  return same ? "" : "the training ended with other numbers";
}

// After it: the training goes on from what was kept, and nothing else is left of it.
std::string complaint_after(const Outcome& outcome, const Condition& condition, const Place& place,
                            const Outcome& right) {
  if (!outcome.error.empty()) return "started again it failed: " + outcome.error;
  if (outcome.begun < condition.kept) {
    return fmt::format("the checkpoint after step {} is lost: it went on after step {}",
                       condition.kept, outcome.begun);
  }
  if (!outcome.warnings.empty()) return "started again it warns: " + outcome.warnings[0];
  if (outcome.bits != right.bits) return "resumed, the training ended with other numbers";
  if (outcome.history != right.history) return "resumed, the training has another history";
  for (const auto& entry : fs::recursive_directory_iterator(place.disk)) {
    if (entry.path().extension() == ".part") return "a temporary file was left";
  }
  return "";
}

enum class Verdict : char { fine = '+', wrong = '-', not_measured = '?' };

struct Report {
  Verdict verdict;
  std::string text;
};

const char* words(Verdict verdict) {
  return verdict == Verdict::fine ? "" : verdict == Verdict::wrong ? "WRONG: " : "NOT MEASURED: ";
}

std::string summary(const Outcome& struck, const Outcome& meanwhile) {
  return fmt::format("warnings {}, history {}, a new start {}; first: {}", struck.warnings.size(),
                     struck.error.empty() ? "written" : "refused",
                     refused(meanwhile) ? "refused" : "goes on",
                     struck.warnings.empty() ? struck.error : struck.warnings[0]);
}

Report examine(const Condition& condition, const Place& place) {
  const auto nothing = [](Index) {};
  const Outcome right = train(place.disk.parent_path(), nothing);
  write_file(place.disk / "history.csv", earlier_history);
  const Outcome struck = train(place.disk, [&](Index step) {
    if (step == condition.struck_after) condition.strike(place);
    if (step == condition.relieved_after) condition.relieve(place);
  });
  const Outcome meanwhile = train(place.disk, nothing);
  if (condition.relieved_after == 0) condition.relieve(place);
  const auto bytes = read_file(place.disk / "history.csv");
  const std::string history(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Outcome after = train(place.disk, nothing);

  std::string wrong;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) wrong += (wrong.empty() ? "" : "; ") + text;
  };
  if (struck.warnings.empty() && struck.error.empty()) add("the condition did nothing");
  add(complaint(struck, condition, place, right));
  add(complaint(meanwhile, condition, place, right));
  if (history != earlier_history && history != right.history) add("the history is torn");
  add(complaint_after(after, condition, place, right));
  if (!wrong.empty()) return {Verdict::wrong, wrong};
  return {Verdict::fine, summary(struck, meanwhile)};
}

// ---- A process for each ----

Report examine_in(const fs::path& folder, const Condition& condition) {
  try {
    return examine(condition, test::enter(condition, folder));
  } catch (const test::NotMeasured& error) {
    return {Verdict::not_measured, error.what()};
  } catch (const std::exception& error) {
    return {Verdict::wrong, error.what()};
  }
}

Report examine_apart(const Condition& condition) {
  const test::TemporaryFolder folder;
  int ends[2];
  test::must(::pipe(ends) == 0, "pipe");
  const pid_t child = ::fork();
  test::must(child >= 0, "fork");
  if (child == 0) {
    ::close(ends[0]);
    const Report report = examine_in(folder.path(), condition);
    const std::string text = static_cast<char>(report.verdict) + report.text;
    const bool sent = ::write(ends[1], text.data(), text.size()) == std::ssize(text);
    std::_Exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char block[4096];
  for (ssize_t n; (n = ::read(ends[0], block, sizeof block)) > 0;) {
    text.append(block, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    return {Verdict::wrong, fmt::format("killed by signal {}", WTERMSIG(status))};
  }
  if (text.empty()) return {Verdict::wrong, "the process ended without a report"};
  return {static_cast<Verdict>(text[0]), text.substr(1)};
}

// ---- The twins: conditions that must be complained about ----

fs::path newest(const Place& place) {
  return place.kept() /
         fmt::format("step-{:09}.safetensors", optim::checkpoint_steps(place.kept()).back());
}

// What a program without write_file does: it empties the old file, and others take the room.
void save_in_place(const Place& place) {
  const auto bytes = read_file(newest(place));
  test::fill(place);
  std::ofstream file(newest(place));
  test::fill(place);
  file.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

void change_a_number(const Place& place) {
  Safetensors file = parse_with_checksums(read_file(newest(place)), "checkpoint");
  file.tensors.at("3.bias").bytes[0] ^= std::byte{1};
  write_file(newest(place), serialize_with_checksums(file));
  test::fill(place);
}

struct Twin {
  Condition condition;
  std::string complaint;
};

std::vector<Twin> twins() {
  const auto full = [](std::string name, std::function<void(const Place&)> strike) {
    Condition condition = test::disk_conditions().front();
    condition.name = std::move(name);
    condition.strike = std::move(strike);
    return condition;
  };
  Condition other_reason = test::disk_conditions().front();
  other_reason.name = "a warning without the reason";
  other_reason.reason = std::strerror(EIO);
  const auto leave_temporary = [](const Place& place) {
    fs::create_directory(place.kept() / ".tapegrad-0-0.part");  // is not swept: not a file
    test::fill(place);
  };
  const auto die = [](const Place&) {
    test::limit(RLIMIT_CORE, 0);
    std::abort();
  };
  return {
      {full("a checkpoint written in place", save_in_place), "checkpoint after step 10 is lost"},
      {full("a checkpoint with another number", change_a_number), "with other numbers"},
      {full("a temporary file that stays", leave_temporary), "a temporary file was left"},
      {full("a process that dies", die), "killed by signal 6"},
      {full("a disk that is not full", [](const Place&) {}), "the condition did nothing"},
      {other_reason, "it does not say what and why"}};
}

}  // namespace

int main() {
  std::string lines;
  std::size_t fine = 0, wrong = 0, found = 0;
  const auto conditions = test::disk_conditions();
  for (const Condition& condition : conditions) {
    const Report report = examine_apart(condition);
    fine += report.verdict == Verdict::fine;
    wrong += report.verdict == Verdict::wrong;
    lines += fmt::format("  {}{}: {}\n", words(report.verdict), condition.name, report.text);
  }
  const auto planted = twins();
  for (const Twin& twin : planted) {
    const Report report = examine_apart(twin.condition);
    const bool noticed = has(report.text, twin.complaint);
    found += noticed;
    lines += fmt::format("  {}: {}: {}\n", noticed ? "noticed" : "NOT NOTICED", twin.condition.name,
                         report.text);
  }
  const std::size_t all = conditions.size(), measured = fine + wrong;
  fmt::print(
      "{} of {}: goes on or clear error, resumed to the same bits{}\n{}{} of {} planted faults "
      "noticed\n",
      fine, all, measured == all ? "" : fmt::format("; {} could not be measured", all - measured),
      lines, found, planted.size());
  if (wrong > 0 || (measured == all && found < planted.size())) return 1;
  return measured == all ? 0 : 77;
}
