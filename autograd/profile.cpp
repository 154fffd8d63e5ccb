#include "autograd/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace tapegrad {
namespace {

template <Scalar T>
double size(const Node<T>& node) {
  return static_cast<double>(node.shape.size());
}

// The multiplications and additions of a product's value; 0 for other ops.
template <Scalar T>
double product_flops(const Node<T>& node) {
  const std::string_view op = node.op;
  if (op != "linear" && op != "matmul" && op != "conv2d") return 0;
  if (node.shape.size() == 0) return 0;
  // How many numbers each element of the value is a sum over.
  const Shape& second = node.operands()[1]->shape;
  const Index summed = op == "linear"   ? second[1]
                       : op == "matmul" ? second[second.rank() - 2]
                                        : second[1] * second[2] * second[3];
  return 2 * size(node) * static_cast<double>(summed);
}

template <Scalar T, class F>
void for_each_operand(const Node<T>& node, F f) {
  for (int i = 0; i < node.operand_count; ++i) f(*node.operands()[i], i);
}

}  // namespace

template <Scalar T>
double Profile<T>::seconds() const {
  double sum = 0;
  for (const auto& [key, cost] : costs_) sum += cost.seconds;
  return sum;
}

template <Scalar T>
void Profile<T>::add(const Node<T>& node, const char* direction, double flops, double bytes) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  OpCost& cost = costs_[{node.op, direction}];
  ++cost.calls;
  cost.seconds += seconds;
  cost.flops += flops;
  cost.bytes += bytes;
}

template <Scalar T>
void Profile<T>::forward_begins(const Node<T>&) {
  start_ = Clock::now();
}

template <Scalar T>
void Profile<T>::forward_ends(const Node<T>& node) {
  double numbers = size(node);
  for_each_operand(node, [&](const Node<T>& operand, int) { numbers += size(operand); });
  add(node, "forward", product_flops(node), numbers * sizeof(T));
}

template <Scalar T>
void Profile<T>::backward_begins(const Node<T>&) {
  start_ = Clock::now();
}

// A product's vjp is one product of the same size for each of the two operands that needs it.
template <Scalar T>
void Profile<T>::backward_ends(const Node<T>& node) {
  double flops = 0;
  double numbers = size(node);
  for_each_operand(node, [&](const Node<T>& operand, int i) {
    numbers += size(operand) * (operand.needs_grad ? 2 : 1);
    if (operand.needs_grad && i < 2) flops += product_flops(node);
  });
  add(node, "backward", flops, numbers * sizeof(T));
}

template <Scalar T>
std::string to_string(const Profile<T>& profile, Index steps, double total_seconds) {
  using Line = std::pair<std::pair<std::string, std::string>, OpCost>;
  std::vector<Line> lines(profile.costs().begin(), profile.costs().end());
  std::stable_sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return a.second.seconds > b.second.seconds;
  });
  const auto per_step = static_cast<double>(std::max<Index>(steps, 1));
  std::string text = fmt::format("{:<26}{:<10}{:>7}{:>11}{:>10}{:>9}\n", "op", "", "share",
                                 "ms a step", "GFLOP/s", "GB/s");
  for (const auto& [key, c] : lines) {
    text += fmt::format("{:<26}{:<10}{:>5.1f} %{:>11.4f}{:>10}{:>9.1f}\n", key.first, key.second,
                        100 * c.seconds / total_seconds, 1e3 * c.seconds / per_step,
                        c.flops > 0 ? fmt::format("{:.1f}", 1e-9 * c.flops / c.seconds) : "",
                        1e-9 * c.bytes / c.seconds);
  }
  const double rest = total_seconds - profile.seconds();
  text += fmt::format("{:<36}{:>5.1f} %{:>11.4f}\n", "outside of ops (batches, update)",
                      100 * rest / total_seconds, 1e3 * rest / per_step);
  return text;
}

template class Profile<float>;
template class Profile<double>;
template class Profile<Dual>;
template std::string to_string(const Profile<float>&, Index, double);
template std::string to_string(const Profile<double>&, Index, double);
template std::string to_string(const Profile<Dual>&, Index, double);

}  // namespace tapegrad
