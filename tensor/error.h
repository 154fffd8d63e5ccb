// Exceptions for what a user can get wrong. The text names the operation, the shapes or files, the
// numbers that differ and the likely fix.
#pragma once

#include <stdexcept>

namespace tapegrad {

/// The base of every exception this library throws on purpose.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Shapes, axes or indices that do not fit together.
struct ShapeError : Error {
  using Error::Error;
};

/// A setting out of its range.
struct OptionError : Error {
  using Error::Error;
};

/// A tape, gradient or optimizer used in a way that would give wrong derivatives.
struct GradError : Error {
  using Error::Error;
};

/// A file that is missing, unreadable, not a regular file, or that cannot be written.
struct FileError : Error {
  using Error::Error;
};

/// Data sets: files that have the wrong size or hold impossible values.
struct DataError : Error {
  using Error::Error;
};

/// A file that is not what its format says, or parameters that do not match it.
struct FormatError : Error {
  using Error::Error;
};

/// Not a failure: work that ended early because it was asked to.
struct Interrupted : Error {
  using Error::Error;
};

}  // namespace tapegrad
