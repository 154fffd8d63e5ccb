// Text for the formats that reports are written in.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tapegrad::report {

/// The text as HTML, in elements and in attributes between double quotes.
std::string html_escaped(std::string_view text);

/// The text as Markdown that shows it as it is: one line, nothing in it means anything, neither
/// Markdown nor HTML; pipes do not end a table's cell.
std::string markdown_escaped(std::string_view text);

/// The bytes in base64 (RFC 4648).
std::string base64(std::span<const std::byte> bytes);

/// A path as a URL: percent signs for all but letters, digits and -._~/ (RFC 3986).
std::string url_escaped(std::string_view path);

/// Whether a table's cell is a number: ".518", "-3", "1.2e-8 ± 3e-9", "46.3 %", "[.448, .470]".
bool is_numeric(std::string_view text);

}  // namespace tapegrad::report
