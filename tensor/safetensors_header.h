// Private to tensor/: the header of a safetensors file, which says what tensors there are and where
// their numbers stand.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/scalar.h"

namespace tapegrad::safetensors {

/// The key of the header's entry that is no tensor.
inline constexpr const char* metadata_key = "__metadata__";

/// The file starts with the header's length in so many bytes.
inline constexpr std::size_t length_size = 8;

/// A tensor as its header entry describes it. begin and end count from the end of the header.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<Index> shape;
  Index begin = 0;
  Index end = 0;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::vector<Entry> entries;
};

/// The header's text in a file's bytes, which follows its length. Throws FormatError when it is not
/// inside the file or cannot be one; `file` is what errors call the file.
std::string_view header_text(std::span<const std::byte> bytes, std::string_view file);

/// What the text says. Throws FormatError unless it is JSON of the header's one structure, every
/// key in it once; numbers are not compared with one another.
Header parse_header(std::string_view text, std::string_view file);

/// The text, padded so that numbers behind it are aligned to 8 bytes. Throws FormatError for what
/// is not UTF-8, and for more than 100,000,000 bytes.
std::string serialize_header(const Header& header);

}  // namespace tapegrad::safetensors
