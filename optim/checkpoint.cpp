#include "optim/checkpoint.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <new>
#include <set>

#include "autograd/parameter_state.h"
#include "optim/notice.h"
#include "tensor/checksums.h"
#include "tensor/error.h"

namespace tapegrad::optim {
namespace {

namespace fs = std::filesystem;

constexpr const char* format_name = "tapegrad checkpoint 2";
constexpr const char* setting_prefix = "setting.";
constexpr const char* generator_prefix = "generators/";
constexpr std::string_view file_begin = "step-";
constexpr std::string_view file_end = ".safetensors";

std::string file_name(Index step) { return fmt::format("{}{:09}{}", file_begin, step, file_end); }

// The step in a checkpoint's file name; nothing for any other name.
std::optional<Index> step_of(const std::string& name) {
  if (!name.starts_with(file_begin) || !name.ends_with(file_end)) return {};
  const char* begin = name.data() + file_begin.size();
  const char* end = name.data() + name.size() - file_end.size();
  Index step = 0;
  const auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || stop != end || step < 0 || name != file_name(step)) return {};
  return step;
}

// A generator's state as whole numbers, bit for bit.
void add_generator(Safetensors& state, const NamedGenerator& g) {
  std::array<std::int64_t, 4> numbers{};
  std::ranges::transform(g.rng->state(), numbers.begin(),
                         [](std::uint64_t x) { return std::bit_cast<std::int64_t>(x); });
  state.add_integers(generator_prefix + g.name, numbers);
}

Rng generator_from(const Safetensors& state, const std::string& name) {
  const std::vector<std::int64_t> numbers = state.at(generator_prefix + name).integers();
  if (numbers.size() != 4) {
    throw FormatError(fmt::format("generator `{}` has {} numbers, not 4", name, numbers.size()));
  }
  std::array<std::uint64_t, 4> words{};
  std::ranges::transform(numbers, words.begin(),
                         [](std::int64_t x) { return std::bit_cast<std::uint64_t>(x); });
  return Rng::from_state(words);
}

void make_folder(const fs::path& folder) {
  if (folder.empty()) throw OptionError("checkpoints: no folder is given to keep them in");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw FileError(fmt::format("cannot create {}: {}", folder.string(), error.message()));
}

// A copy under another step's name is no damage, but no state after that step either.
void require_step(const Safetensors& file, Index step, const std::string& name) {
  const auto found = file.metadata.find("step");
  if (found == file.metadata.end() || found->second == fmt::format("{}", step)) return;
  throw FileError(
      fmt::format("{} holds the state after step {}: rename or remove it", name, found->second));
}

void print_warning(const std::string& text) { notice(fmt::format("warning: {}\n", text)); }

// The tensors of one piece, under the names that it gave them; the nameless piece's have no prefix.
std::string prefix_of(const StatePiece& piece) {
  return piece.name.empty() ? "" : piece.name + "/";
}

// Moves the tensors whose names begin so out of the file.
Safetensors take(Safetensors& file, const std::string& prefix) {
  Safetensors part;
  auto next = file.tensors.lower_bound(prefix);
  while (next != file.tensors.end() && next->first.starts_with(prefix)) {
    auto node = file.tensors.extract(next++);
    node.key().erase(0, prefix.size());
    part.tensors.insert(std::move(node));
  }
  return part;
}

}  // namespace

StatePiece number_piece(std::string name, std::function<Index()> get,
                        std::function<void(Index)> set) {
  return {std::move(name),
          [get = std::move(get)] {
            Safetensors state;
            const Index number = get();
            state.add_integers("number", {&number, 1});
            return state;
          },
          [set = std::move(set)](const Safetensors& state) {
            const std::vector<std::int64_t> numbers = state.at("number").integers();
            if (numbers.size() != 1) throw FormatError("a number has another shape than [1]");
            set(numbers[0]);
          }};
}

template <Real T>
StatePiece parameters_of(const ParameterList<T>& parameters) {
  return {"",
          [parameters] {
            Safetensors state;
            store_parameters(state, parameters);
            for (const NamedGenerator& g : parameters.generators()) add_generator(state, g);
            return state;
          },
          [parameters](const Safetensors& state) {
            Safetensors values = state;
            std::vector<Rng> generators;
            for (const NamedGenerator& g : parameters.generators()) {
              generators.push_back(generator_from(state, g.name));
              values.tensors.erase(generator_prefix + g.name);
            }
            restore_parameters(values, "parameters", parameters);
            for (std::size_t i = 0; i < generators.size(); ++i) {
              *parameters.generators()[i].rng = generators[i];
            }
          }};
}

template StatePiece parameters_of(const ParameterList<float>&);
template StatePiece parameters_of(const ParameterList<double>&);

std::vector<Index> checkpoint_steps(const fs::path& folder) {
  std::vector<Index> steps;
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; entry != end; entry.increment(none)) {
    if (const auto step = step_of(entry->path().filename().string())) steps.push_back(*step);
  }
  std::ranges::sort(steps);
  return steps;
}

Checkpoints::Checkpoints(CheckpointOptions options, std::vector<StatePiece> pieces)
    : options_(std::move(options)), pieces_(std::move(pieces)) {
  if (options_.every < 0 || options_.keep < 1) {
    throw OptionError(
        fmt::format("checkpoints: every {} steps, the last {} kept: need at least 0 and at least 1",
                    options_.every, options_.keep));
  }
  if (!options_.warn) options_.warn = print_warning;
  make_folder(options_.folder);
  lock_.emplace(options_.folder);
  remove_temporary_files(options_.folder);
  require_writable(options_.folder);
  if (!options_.resume && !checkpoint_steps(options_.folder).empty()) {
    throw FileError(
        fmt::format("{} holds the checkpoints of an earlier training: resume it, or remove them to "
                    "start anew",
                    options_.folder.string()));
  }
  require_separable();
  static_cast<void>(serialize_with_checksums(collect(0)));  // bad names show now, not hours later
}

// Each piece must get back what it gave, and nothing else, now and when others have more to give:
// names may begin alike.
void Checkpoints::require_separable() const {
  Safetensors left = collect(0);
  for (auto piece = pieces_.begin(); piece != pieces_.end(); ++piece) {
    const std::string prefix = prefix_of(*piece);
    const bool takes_later = std::any_of(piece + 1, pieces_.end(), [&](const StatePiece& later) {
      return prefix_of(later).starts_with(prefix);
    });
    const std::size_t given = piece->save().tensors.size();
    if (!takes_later && take(left, prefix).tensors.size() == given) continue;
    throw OptionError(fmt::format(
        "checkpoints: the piece of state \"{}\" and another have names that begin alike, and could "
        "not be told apart: call it otherwise",
        piece->name));
  }
}

fs::path Checkpoints::path(Index step) const { return options_.folder / file_name(step); }

Safetensors Checkpoints::collect(Index step) const {
  Safetensors file;
  file.metadata["format"] = format_name;
  file.metadata["step"] = fmt::format("{}", step);
  for (const auto& [name, value] : options_.settings) {
    file.metadata[setting_prefix + name] = value;
  }
  for (const StatePiece& piece : pieces_) {
    for (auto& [name, tensor] : piece.save().tensors) {
      const std::string full = prefix_of(piece) + name;
      if (!file.tensors.emplace(full, std::move(tensor)).second) {
        throw FormatError(fmt::format("checkpoints: two pieces of state are named \"{}\"", full));
      }
    }
  }
  return file;
}

bool Checkpoints::save(Index step) {
  std::size_t size = 0;
  try {
    const std::vector<std::byte> bytes = serialize_with_checksums(collect(step));
    size = bytes.size();
    write_file(path(step), bytes);
  } catch (const FileError& error) {
    const bool earlier = !checkpoint_steps(options_.folder).empty();
    options_.warn(fmt::format("no checkpoint of {} bytes after step {}: {}; training goes on{}",
                              size, step, error.what(),
                              earlier ? ", earlier checkpoints stay" : ""));
    return false;
  } catch (const std::bad_alloc&) {
    options_.warn(
        fmt::format("no checkpoint after step {}: out of memory; training goes on", step));
    return false;
  }
  try {
    remove_old(step);
  } catch (const std::bad_alloc&) {  // they go after the next one
  }
  return true;
}

// The one of `step` is on the disk: only now may others go.
void Checkpoints::remove_old(Index step) {
  const auto remove = [this](Index old) { ::unlink(path(old).c_str()); };  // failing does no harm
  for (const Index damaged : std::exchange(damaged_, {})) {
    if (damaged != step) remove(damaged);
  }
  std::vector<Index> steps = checkpoint_steps(options_.folder);
  std::erase_if(steps, [=](Index other) { return other > step; });
  for (std::size_t i = 0; i + static_cast<std::size_t>(options_.keep) < steps.size(); ++i) {
    remove(steps[i]);
  }
}

std::optional<Index> Checkpoints::resume() {
  std::vector<Index> steps = checkpoint_steps(options_.folder);
  if (steps.empty()) return {};
  std::string reasons;
  for (; !steps.empty(); steps.pop_back()) {
    const fs::path file = path(steps.back());
    Safetensors state;
    try {
      state = parse_with_checksums(read_file(file), file.string());
      require_step(state, steps.back(), file.string());
    } catch (const FileError& error) {  // it may be whole: it stays
      reasons += fmt::format("\n  {}", error.what());
      options_.warn(fmt::format("passed over a checkpoint: {}", error.what()));
      continue;
    } catch (const Error& error) {
      damaged_.push_back(steps.back());
      reasons += fmt::format("\n  {}", error.what());
      options_.warn(fmt::format("passed over a damaged checkpoint: {}", error.what()));
      continue;
    }
    restore(state, file.string());
    return steps.back();
  }
  throw FormatError(fmt::format("no checkpoint in {} can be used; remove them to start anew:{}",
                                options_.folder.string(), reasons));
}

void Checkpoints::require_settings(const Safetensors& file, const std::string& name) const {
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != format_name) {
    throw FormatError(fmt::format(
        "{}: its format is \"{}\", but this program reads \"{}\": resume with the program that "
        "wrote it, or remove it to start anew",
        name, format == file.metadata.end() ? "unknown" : format->second, format_name));
  }
  std::map<std::string, std::string> stored;
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(setting_prefix)) {
      stored[key.substr(std::string_view(setting_prefix).size())] = value;
    }
  }
  const auto value_in = [](const auto& settings, const std::string& key) {
    const auto found = settings.find(key);
    return found == settings.end() ? "not set" : fmt::format("'{}'", found->second);
  };
  std::set<std::string> names;
  for (const auto& entry : stored) names.insert(entry.first);
  for (const auto& entry : options_.settings) names.insert(entry.first);
  for (const std::string& key : names) {
    const std::string then = value_in(stored, key);
    const std::string now = value_in(options_.settings, key);
    if (then == now) continue;
    throw FormatError(fmt::format(
        "{} belongs to a training with other settings: {} was {} and is {} now; resume with the "
        "same, or take another folder",
        name, key, then, now));
  }
}

void Checkpoints::restore(const Safetensors& file, const std::string& name) const {
  require_settings(file, name);
  Safetensors left = file;
  for (const StatePiece& piece : pieces_) {
    try {
      piece.restore(take(left, prefix_of(piece)));
    } catch (const Error& error) {
      throw FormatError(fmt::format("{}: {}", name, error.what()));
    }
  }
  if (left.tensors.empty()) return;
  throw FormatError(
      fmt::format("{}: nothing here is called \"{}\"", name, left.tensors.begin()->first));
}

}  // namespace tapegrad::optim
