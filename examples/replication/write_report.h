// What a replication leaves behind: the document, tables, histories and pictures.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "examples/replication/tables.h"

namespace tapegrad::examples {

struct ReportSettings {
  std::filesystem::path folder;
  std::vector<std::pair<std::string, std::string>> options;  // of the program, for the record
  bool quick = false;  // figures mean nothing: no bands, no verdicts
};

/// Makes the folder and those in it, and makes sure that the document and its tables can be
/// written, before anything is trained. Throws FileError.
void prepare_report(const std::filesystem::path& folder);

/// Writes folder/report.html and report.md, figures.csv and figures.json, histories/*.csv, and
/// pictures/*.png, *.svg and *.gp. Returns the count of figures. Throws FileError.
Tally write_report(const Replication& replication, const PlannedImages& images,
                   const ReportSettings& settings);

}  // namespace tapegrad::examples
