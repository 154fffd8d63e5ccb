#include "autograd/describe.h"

#include <fmt/format.h>

#include <cmath>
#include <unordered_map>
#include <vector>

#include "autograd/instantiate.h"

namespace tapegrad {
namespace {

template <Scalar T>
Index count_not_finite(const Node<T>& node) {
  Index count = 0;
  for (Index i = 0; i < node.shape.size(); ++i) {
    count += !std::isfinite(static_cast<double>(node.value[i]));
  }
  return count;
}

// The entries with their numbers, and what they are computed from.
template <Scalar T>
class Numbered {
 public:
  explicit Numbered(const Tape<T>& tape) : nodes_(tape.nodes()) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) numbers_[nodes_[i]] = i;
  }
  const std::vector<const Node<T>*>& nodes() const { return nodes_; }
  std::vector<std::size_t> operands(const Node<T>& node) const {
    std::vector<std::size_t> all;
    for (int i = 0; i < node.operand_count; ++i) all.push_back(numbers_.at(node.operands()[i]));
    return all;
  }

 private:
  std::vector<const Node<T>*> nodes_;
  std::unordered_map<const Node<T>*, std::size_t> numbers_;
};

}  // namespace

template <Scalar T>
std::string describe(const Tape<T>& tape) {
  const Numbered<T> entries(tape);
  std::string text;
  for (std::size_t i = 0; i < entries.nodes().size(); ++i) {
    const Node<T>& node = *entries.nodes()[i];
    const Index bad = count_not_finite(node);
    text += fmt::format(
        "{:>4}  {:<22} {:<16} {:<12} {:>10} bytes{}{}\n", i, node.op, to_string(node.shape),
        fmt::format("({})", fmt::join(entries.operands(node), ", ")),
        static_cast<std::size_t>(node.shape.size()) * sizeof(T), node.needs_grad ? "  grad" : "",
        bad > 0 ? fmt::format("  {} not finite", bad) : "");
  }
  return text;
}

template <Scalar T>
std::string graphviz(const Tape<T>& tape) {
  const Numbered<T> entries(tape);
  std::string text = "digraph tape {\n  rankdir=BT;\n";
  for (std::size_t i = 0; i < entries.nodes().size(); ++i) {
    const Node<T>& node = *entries.nodes()[i];
    text += fmt::format("  n{} [label=\"{}\\n{}\"{}{}{}];\n", i, node.op, to_string(node.shape),
                        node.operand_count == 0 ? ", shape=box" : "",
                        node.needs_grad ? "" : ", style=dashed",
                        count_not_finite(node) > 0 ? ", color=red" : "");
    for (const std::size_t operand : entries.operands(node)) {
      text += fmt::format("  n{} -> n{};\n", operand, i);
    }
  }
  return text + "}\n";
}

#define TAPEGRAD_LIST(T)                         \
  template std::string describe(const Tape<T>&); \
  template std::string graphviz(const Tape<T>&);
TAPEGRAD_FOR_EACH_SCALAR(TAPEGRAD_LIST)

}  // namespace tapegrad
