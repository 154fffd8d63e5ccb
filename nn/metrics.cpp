#include "nn/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace tapegrad::nn {

template <Real T>
std::optional<Index> likeliest_class(std::span<const T> scores) {
  const bool lost = std::any_of(scores.begin(), scores.end(), [](T x) { return std::isnan(x); });
  if (scores.empty() || lost) return std::nullopt;
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

template <Real T>
Index count_correct(View<const T> logits, std::span<const std::int32_t> labels) {
  if (logits.shape().rank() != 2 || logits.shape()[0] != std::ssize(labels)) {
    throw ShapeError(fmt::format("accuracy: logits are {} but there are {} labels",
                                 to_string(logits.shape()), labels.size()));
  }
  const Index classes = logits.shape()[1];
  Index correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = logits.span().subspan(i * static_cast<std::size_t>(classes),
                                           static_cast<std::size_t>(classes));
    correct += likeliest_class(row) == labels[i];
  }
  return correct;
}

template std::optional<Index> likeliest_class(std::span<const float>);
template std::optional<Index> likeliest_class(std::span<const double>);

template Index count_correct(View<const float>, std::span<const std::int32_t>);
template Index count_correct(View<const double>, std::span<const std::int32_t>);

}  // namespace tapegrad::nn
