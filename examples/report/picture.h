// A picture on disk: a gnuplot script and what it draws.
#pragma once

#include <filesystem>
#include <string>

namespace tapegrad::report {

/// Where a picture stands and what it shows. The functions that draw one leave three files beside
/// each other: STEM.gp, a gnuplot script with its data (`gnuplot STEM.gp` in that folder draws it
/// again), STEM.png, two dots per unit, and STEM.svg. The same picture gives the same bytes.
struct Picture {
  std::filesystem::path stem;  // without extension; the folder exists
  std::string title = {};      // drawn above it; may be empty
  std::string alt = {};        // for those who do not see it; the title when empty
  bool pixels = false;         // set when it is drawn: shows photographs, so the PNG is the sharper

  std::filesystem::path file(const char* extension) const { return stem.string() + extension; }
  const std::string& alternative() const { return alt.empty() ? title : alt; }
};

}  // namespace tapegrad::report
