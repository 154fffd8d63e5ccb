#include "examples/report/text.h"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace tapegrad::report {
namespace {

// Not isalnum and the like: they depend on the locale.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Where the mark stands that makes the line a list, a heading or an underline: "- ", "# ", "1. ".
// Numbers ("-3", "51.9") have none.
std::size_t block_mark(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == text.size()) return std::string_view::npos;
  const std::string_view marks = digits > 0 ? ".)" : "#+-=";
  const bool number = digits + 1 < text.size() && is_digit(text[digits + 1]);
  if (number || marks.find(text[digits]) == std::string_view::npos) return std::string_view::npos;
  return digits;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += is_control(c) && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string markdown_escaped(std::string_view text) {
  constexpr std::string_view special = "\\`*_[]<>|~&$!";
  const std::size_t mark = block_mark(text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == mark || special.find(c) != std::string_view::npos) out += '\\';
    out += is_control(c) ? ' ' : c;
  }
  return out;
}

std::string base64(std::span<const std::byte> bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a zero
  const int n = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                  reinterpret_cast<const unsigned char*>(bytes.data()),
                                  static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::string url_escaped(std::string_view path) {
  constexpr std::string_view plain = "-._~/";
  std::string out;
  for (const char c : path) {
    if (is_letter(c) || is_digit(c) || plain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_numeric(std::string_view text) {
  bool digits = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool exponent = text[i] == 'e' && i > 0 && is_digit(text[i - 1]);
    if (is_letter(text[i]) && !exponent) return false;
    digits |= is_digit(text[i]);
  }
  return digits;
}

}  // namespace tapegrad::report
