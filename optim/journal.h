// Results of finished trials on disk, so that a killed search can go on.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace tapegrad::optim {

/// Numbers by key, in memory and in a text file: a line that says what they belong to, then "key
/// number number ..." per record, and a checksum of all that. The file is replaced as a whole at
/// each record, so a kill at any moment leaves it complete, without at most the records that were
/// being made. Safe to use from several threads.
class Journal {
 public:
  /// An empty journal for `subject`, a single line; the file is written at the first record.
  Journal(std::filesystem::path path, std::string subject);

  /// Continues the file, or starts when there is none. Throws FileError when it cannot be read and
  /// FormatError when it is no journal, is damaged or belongs to another subject.
  static Journal resume(std::filesystem::path path, std::string subject);

  Journal(Journal&& other) noexcept
      : path_(std::move(other.path_)),
        subject_(std::move(other.subject_)),
        records_(std::move(other.records_)) {}

  /// The numbers recorded under the key, null when there are none. They stay where they are.
  const std::vector<double>* find(const std::string& key) const;

  /// Records numbers under a key. Throws OptionError for one that is empty or has blanks, FileError
  /// when the file cannot be written.
  void record(const std::string& key, std::vector<double> numbers);

  std::size_t size() const;

 private:
  void write() const;

  std::filesystem::path path_;
  std::string subject_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<double>> records_;
};

}  // namespace tapegrad::optim
