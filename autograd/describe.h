// A tape made readable.
#pragma once

#include <string>

#include "autograd/tape.h"

namespace tapegrad {

/// A line for each entry, oldest first: its number, op, shape, the numbers of its operands, the
/// bytes of its value, "grad" when a gradient flows through it, and how many of its numbers are not
/// finite.
template <Scalar T>
std::string describe(const Tape<T>& tape);

/// The same as a graph in Graphviz's language: `dot -Tsvg`. Leaves are boxes, constants dashed,
/// entries with numbers that are not finite red.
template <Scalar T>
std::string graphviz(const Tape<T>& tape);

}  // namespace tapegrad
