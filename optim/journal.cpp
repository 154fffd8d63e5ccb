#include "optim/journal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <span>
#include <sstream>
#include <string_view>

#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/sha256.h"

namespace tapegrad::optim {
namespace {

constexpr const char* signature = "tapegrad journal of ";

[[noreturn]] void reject(const std::filesystem::path& path, const std::string& why) {
  throw FormatError(fmt::format("{}: {}; remove it to start anew", path.string(), why));
}

std::vector<double> parse_numbers(std::istringstream& fields, const std::filesystem::path& path,
                                  std::size_t line) {
  std::vector<double> numbers;
  for (std::string field; fields >> field;) {
    const char* const end = field.data() + field.size();
    const auto parsed = std::from_chars(field.data(), end, numbers.emplace_back());
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      reject(path, fmt::format("'{}' in line {} is no number", field, line));
    }
  }
  return numbers;
}

// The last line, which belongs to all before it.
std::string checksum_line(std::string_view text) {
  return fmt::format("sha256 {}\n", to_hex(sha256(std::as_bytes(std::span(text)))));
}

std::string_view without_checksum(std::string_view text, const std::filesystem::path& path) {
  const std::size_t length = checksum_line("").size();
  if (text.size() >= length) {
    const std::string_view rest = text.substr(0, text.size() - length);
    if (text.substr(rest.size()) == checksum_line(rest)) return rest;
  }
  reject(path, "damaged: its last line is not the checksum of the others");
}

}  // namespace

Journal::Journal(std::filesystem::path path, std::string subject)
    : path_(std::move(path)), subject_(std::move(subject)) {}

Journal Journal::resume(std::filesystem::path path, std::string subject) {
  Journal journal(std::move(path), std::move(subject));
  if (!may_exist(journal.path_)) return journal;
  const std::vector<std::byte> bytes = read_file(journal.path_);
  const std::string_view whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!whole.starts_with(signature)) reject(journal.path_, "this is no journal");
  const std::string first_line = signature + journal.subject_ + "\n";
  if (!whole.starts_with(first_line)) {
    const std::string_view found = whole.substr(0, whole.find('\n'));
    reject(journal.path_,
           fmt::format("this journal belongs to other settings:\n  {}\nnot to\n  {}",
                       found.substr(std::string_view(signature).size()), journal.subject_));
  }
  const std::string_view records = without_checksum(whole, journal.path_);
  std::istringstream text(std::string(records.substr(first_line.size())));
  std::string line;
  for (std::size_t number = 2; std::getline(text, line); ++number) {
    std::istringstream fields(line);
    std::string key;
    if (!(fields >> key)) reject(journal.path_, fmt::format("line {} is empty", number));
    journal.records_[key] = parse_numbers(fields, journal.path_, number);
  }
  return journal;
}

const std::vector<double>* Journal::find(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = records_.find(key);
  return found == records_.end() ? nullptr : &found->second;
}

void Journal::record(const std::string& key, std::vector<double> numbers) {
  if (key.empty() || key.find_first_of(" \t\r\n\v\f") != key.npos) {
    throw OptionError(fmt::format("journal: \"{}\" is no key: it is empty or has blanks", key));
  }
  const std::scoped_lock lock(mutex_);
  records_[key] = std::move(numbers);
  write();
}

std::size_t Journal::size() const {
  const std::scoped_lock lock(mutex_);
  return records_.size();
}

void Journal::write() const {
  std::string text = signature + subject_ + "\n";
  for (const auto& [key, numbers] : records_) {
    text += fmt::format("{} {}\n", key, fmt::join(numbers, " "));
  }
  write_file(path_, text + checksum_line(text));
}

}  // namespace tapegrad::optim
