#include "nn/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "autograd/parameter_values.h"

namespace tapegrad::nn {
namespace {

struct Line {
  std::string op;
  std::string shape;
  std::string parameters;
  Index count = 0;
};

// "154160" -> "154,160"
std::string grouped(Index n) {
  return n < 1000 ? fmt::format("{}", n) : fmt::format("{},{:03}", grouped(n / 1000), n % 1000);
}

template <Real T>
bool has_operand(const Node<T>& node, const Parameter<T>& parameter) {
  for (int i = 0; i < node.operand_count; ++i) {
    if (node.operands()[i]->is(parameter)) return true;
  }
  return false;
}

// Whether this is a parameter that the model uses, but does not list.
template <Real T>
bool is_left_out(const Node<T>& node, const ParameterList<T>& parameters) {
  return node.op == std::string_view("parameter") &&
         std::none_of(parameters.begin(), parameters.end(),
                      [&](const auto& p) { return node.is(*p.parameter); });
}

template <Real T>
void add_parameter(Line& line, const NamedParameter<T>& p) {
  line.parameters += fmt::format("{}{} {}", line.parameters.empty() ? "" : ", ", p.name,
                                 to_string(p.parameter->shape()));
  line.count += p.parameter->size();
}

template <Real T>
Line line_of(const Node<T>& node, const ParameterList<T>& parameters) {
  Line line{node.op, to_string(node.shape), "", 0};
  for (const auto& p : parameters) {
    if (has_operand(node, *p.parameter)) add_parameter(line, p);
  }
  return line;
}

std::string table(const std::vector<Line>& lines) {
  std::size_t op = 0, shape = 0, parameters = 0;
  for (const Line& line : lines) {
    op = std::max(op, line.op.size());
    shape = std::max(shape, line.shape.size());
    parameters = std::max(parameters, line.parameters.size());
  }
  std::string text;
  for (const Line& line : lines) {
    const std::string count = line.count > 0 ? grouped(line.count) : "";
    std::string row = fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>10}", line.op, op, line.shape, shape,
                                  line.parameters, parameters, count);
    row.erase(row.find_last_not_of(' ') + 1);
    text += row;
    text += '\n';
  }
  return text;
}

}  // namespace

template <Real T>
std::string summary(Module<T>& model, const Shape& input) {
  const Tensor<T> zeros(input);
  const ParameterList<T> parameters = model.parameters();
  const RestoreGenerators<T> restore(parameters);
  NoGrad<T> tape;
  model(tape.constant(zeros));
  std::vector<Line> lines{{"input", to_string(input), "", 0}};
  for (const Node<T>* node : tape.nodes()) {
    if (node->operand_count > 0) lines.push_back(line_of(*node, parameters));
  }
  for (const auto& p : parameters) {
    const bool listed = std::ranges::any_of(
        tape.nodes(), [&](const Node<T>* node) { return has_operand(*node, *p.parameter); });
    if (listed) continue;
    Line line{p.parameter->role() == Role::statistic ? "statistic" : "unused", "", "", 0};
    add_parameter(line, p);
    lines.push_back(line);
  }
  for (const Node<T>* node : tape.nodes()) {
    if (!is_left_out(*node, parameters)) continue;
    lines.push_back({"left out", "", fmt::format("{}: not in collect", to_string(node->shape)), 0});
  }
  lines.push_back({"total", "", "", parameters.count()});
  return table(lines);
}

template std::string summary(Module<float>&, const Shape&);
template std::string summary(Module<double>&, const Shape&);

}  // namespace tapegrad::nn
