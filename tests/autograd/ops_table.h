// Every op, with examples of the shapes and sharings that break sloppy vjps.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tensor/random.h"

namespace tapegrad::test {

using In = std::span<const Var<double>>;
using Function = std::function<Var<double>(In)>;

/// An op applied to inputs of the given shapes.
struct Example {
  std::vector<Shape> shapes;
  Function f;
  bool positive = false;  // inputs above 0 only
};

/// Random numbers between 0.3 and 1.6 in size: away from kinks and poles.
inline std::vector<Tensor<double>> random_inputs(const Example& example, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Tensor<double>> inputs;
  for (const Shape& shape : example.shapes) {
    Tensor<double> x = rng.uniform<double>(shape, 0.3, 1.6);
    for (double& number : x) {
      if (!example.positive && rng.below(2) == 0) number = -number;
    }
    inputs.push_back(std::move(x));
  }
  return inputs;
}

using Unary = Var<double> (*)(Var<double>);
using Binary = Var<double> (*)(Var<double>, Var<double>);

inline const std::vector<Shape> any_shape = {{},     {1},    {7},       {0},
                                             {2, 3}, {0, 4}, {1, 1, 5}, {2, 3, 2, 2}};

/// Of every shape, alone and sharing its operand.
inline std::vector<Example> elementwise(Unary op, bool positive = false) {
  std::vector<Example> examples;
  for (const Shape& shape : any_shape) {
    examples.push_back({{shape}, [op](In in) { return op(in[0]); }, positive});
  }
  examples.push_back({{{3, 2}}, [op](In in) { return op(in[0]) * in[0] + op(in[0]); }, positive});
  return examples;
}

/// Of an op that comes in two kinds.
inline std::vector<Example> with(std::vector<Example> examples,
                                 const std::vector<Example>& others) {
  examples.insert(examples.end(), others.begin(), others.end());
  return examples;
}

inline std::vector<Example> broadcasting(Binary op) {
  const std::vector<std::pair<Shape, Shape>> pairs = {
      {{}, {}},         {{4}, {4}},       {{}, {2, 3}},        {{2, 3}, {}},
      {{2, 3}, {3}},    {{2, 3}, {2, 1}}, {{2, 1}, {1, 3}},    {{1}, {2, 2}},
      {{0, 3}, {1, 3}}, {{0}, {1}},       {{2, 1, 3}, {4, 1}}, {{1, 1}, {1}},
  };
  std::vector<Example> examples;
  for (const auto& [a, b] : pairs) {
    examples.push_back({{a, b}, [op](In in) { return op(in[0], in[1]); }});
  }
  examples.push_back({{{2, 3}}, [op](In in) { return op(in[0], in[0]); }});
  examples.push_back({{{2, 3}, {3}}, [op](In in) { return op(in[0], op(in[1], in[0])); }});
  return examples;
}

/// As broadcasting, with a positive base: a^b needs one.
inline std::vector<Example> powers() {
  std::vector<Example> examples = broadcasting(pow);
  for (Example& example : examples) example.positive = true;
  const std::vector<Example> constant[] = {
      elementwise([](Var<double> x) { return pow(x, 2.5); }, true),
      elementwise([](Var<double> x) { return pow(x, -0.5); }, true),
      elementwise([](Var<double> x) { return pow(x, 3); }),
      elementwise([](Var<double> x) { return pow(x, -2); }),
      elementwise([](Var<double> x) { return pow(x, 1); }),
      elementwise([](Var<double> x) { return pow(x, 0); }),
  };
  for (const auto& more : constant) examples.insert(examples.end(), more.begin(), more.end());
  return examples;
}

inline std::vector<Example> reducing(Unary all, Var<double> (*along)(Var<double>, Axis, bool)) {
  std::vector<Example> examples;
  for (const Shape& shape : any_shape) {
    if (shape.size() > 0) examples.push_back({{shape}, [all](In in) { return all(in[0]); }});
    for (int axis = -shape.rank(); axis < shape.rank(); ++axis) {
      for (const bool keep : {false, true}) {
        examples.push_back({{shape}, [=](In in) { return along(in[0], axis, keep); }});
      }
    }
  }
  examples.push_back({{{3, 2}}, [=](In in) { return all(in[0] * along(in[0], 0, false)); }});
  return examples;
}

inline std::vector<Example> over_classes(Unary op) {
  std::vector<Example> examples;
  for (const Shape& shape : {Shape{4, 5}, {3}, {1}, {3, 1}, {2, 2, 3}, {0, 3}, {3, 0}}) {
    examples.push_back({{shape}, [op](In in) { return op(in[0]); }});
  }
  examples.push_back({{{2, 3}}, [op](In in) { return op(scale(in[0], 4)) * in[0]; }});
  return examples;
}

inline std::vector<Example> products() {
  const std::vector<std::pair<Shape, Shape>> pairs = {
      {{2, 3}, {3, 4}},       {{1, 1}, {1, 1}},          {{1, 5}, {5, 1}},
      {{0, 3}, {3, 2}},       {{2, 0}, {0, 3}},          {{2, 3}, {3, 0}},
      {{3, 2, 4}, {3, 4, 2}}, {{3, 2, 4}, {4, 2}},       {{2, 4}, {3, 4, 2}},
      {{1, 2, 3}, {4, 3, 2}}, {{2, 1, 2, 3}, {3, 3, 2}}, {{0, 2, 3}, {1, 3, 2}},
      {{0, 2, 3}, {3, 2}},    {{2, 3, 0}, {0, 2}},       {{2, 2, 2, 3}, {3, 2}},
  };
  std::vector<Example> examples;
  for (const auto& [a, b] : pairs) {
    examples.push_back({{a, b}, [](In in) { return matmul(in[0], in[1]); }});
  }
  examples.push_back({{{3, 3}}, [](In in) { return matmul(in[0], in[0]); }});
  examples.push_back({{{3, 2}}, [](In in) { return matmul(transpose(in[0]), in[0]); }});
  return examples;
}

inline std::vector<Example> linears() {
  std::vector<Example> examples;
  const std::vector<std::array<Index, 3>> sizes = {{4, 5, 3}, {1, 1, 1}, {1, 6, 2},
                                                   {0, 3, 2}, {2, 0, 3}, {2, 3, 0}};
  for (const auto [n, in, out] : sizes) {
    examples.push_back(
        {{{n, in}, {out, in}, {out}}, [](In v) { return linear(v[0], v[1], v[2]); }});
  }
  for (const Shape& x : {Shape{4}, {2, 3, 4}, {2, 0, 4}, {1, 2, 1, 4}}) {
    examples.push_back({{x, {2, 4}, {2}}, [](In v) { return linear(v[0], v[1], v[2]); }});
  }
  examples.push_back({{{3, 3}, {3}}, [](In v) { return linear(v[0], v[0], v[1]); }});
  examples.push_back({{{1, 4}, {1}}, [](In v) { return linear(v[0], scale(v[0], 2), v[1]); }});
  return examples;
}

inline std::vector<Example> cross_entropies() {
  const auto with = [](const Shape& shape, std::vector<std::int32_t> labels) {
    return Example{{shape}, [labels](In in) {
                     return softmax_cross_entropy(in[0], std::span<const std::int32_t>(labels));
                   }};
  };
  return {with({4, 5}, {0, 4, 2, 2}), with({1, 3}, {1}), with({3, 1}, {0, 0, 0}),
          Example{{{2, 3}}, [](In in) {
                    static const std::vector<std::int32_t> labels{2, 0};
                    const std::span<const std::int32_t> y(labels);
                    return softmax_cross_entropy(in[0], y) *
                           softmax_cross_entropy(scale(in[0], 2), y);
                  }}};
}

inline std::vector<Example> reshapes() {
  const auto to = [](const Shape& from, const Shape& shape) {
    return Example{{from}, [shape](In in) { return reshape(in[0], shape); }};
  };
  return {to({2, 6}, {3, 4}),
          to({}, {1, 1}),
          to({1, 1}, {}),
          to({4}, {2, 1, 2}),
          to({0, 3}, {5, 0}),
          Example{{{2, 2}}, [](In in) { return reshape(in[0], {4}) * reshape(in[0], {4}); }}};
}

inline std::vector<Example> transposes() {
  std::vector<Example> examples;
  for (const Shape& shape : {Shape{2, 5}, {1, 1}, {1, 4}, {0, 3}, {40, 33}}) {
    examples.push_back({{shape}, [](In in) { return transpose(in[0]); }});
  }
  examples.push_back({{{3, 3}}, [](In in) { return in[0] * transpose(in[0]); }});
  return examples;
}

inline std::vector<Example> broadcasts() {
  const auto to = [](const Shape& from, const Shape& shape) {
    return Example{{from}, [shape](In in) { return broadcast_to(in[0], shape); }};
  };
  return {to({}, {2, 3}),
          to({3}, {2, 3}),
          to({2, 1}, {2, 3}),
          to({1, 3, 1}, {2, 2, 3, 2}),
          to({2, 3}, {2, 3}),
          to({1}, {0}),
          to({1, 3}, {0, 3}),
          to({}, {}),
          to({2, 1, 2}, {2, 4, 2}),
          Example{{{3, 1}}, [](In in) {
                    return broadcast_to(in[0], {3, 2}) * in[0];
                  }}};
}

// ---- losses, normalization, images ----

/// The losses that are given targets: of two shapes, and multiplied by one another.
inline std::vector<Example> with_targets(Var<double> (*loss)(Var<double>, View<const double>),
                                         const std::vector<Shape>& shapes) {
  std::vector<Example> examples;
  for (const Shape& shape : shapes) {
    const Tensor<double> t = Rng(9).uniform<double>(shape, 0, 1);
    examples.push_back({{shape}, [=](In in) { return loss(in[0], t.view()); }});
    examples.push_back(
        {{shape}, [=](In in) { return loss(in[0], t.view()) * loss(scale(in[0], -3), t.view()); }});
  }
  return examples;
}

inline std::vector<Example> soft_cross_entropies() {
  return with_targets(
      [](Var<double> x, View<const double> t) { return softmax_cross_entropy(x, t); },
      {{4, 5}, {1, 3}, {3, 1}, {0, 3}});
}

/// With labels and with targets, under one name.
inline std::vector<Example> all_cross_entropies() {
  std::vector<Example> examples = cross_entropies();
  for (const Example& example : soft_cross_entropies()) examples.push_back(example);
  return examples;
}

inline std::vector<Example> hinges() {
  const auto with = [](const Shape& shape, std::vector<std::int32_t> labels) {
    return Example{{shape}, [labels](In in) {
                     const std::span<const std::int32_t> y(labels);
                     return multiclass_hinge(in[0], y) * multiclass_hinge(scale(in[0], 2), y);
                   }};
  };
  return {with({4, 5}, {0, 4, 2, 2}), with({1, 3}, {1}), with({3, 1}, {0, 0, 0}), with({0, 3}, {})};
}

inline std::vector<Example> squared_errors() {
  std::vector<Example> examples;
  for (const Shape& shape : any_shape) {
    examples.push_back({{shape, shape}, [](In in) { return mse(in[0], in[1]); }});
  }
  examples.push_back({{{3, 2}}, [](In in) { return mse(in[0], in[0]); }});
  examples.push_back({{{3, 2}}, [](In in) { return mse(in[0], square(in[0])); }});
  return examples;
}

inline std::vector<Example> batch_norms() {
  std::vector<Example> examples;
  for (const Shape& x : {Shape{6, 3},
                         {1, 3},
                         {2, 1},
                         {0, 2},
                         {3, 0},
                         {2, 3, 2, 4},
                         {1, 2, 3, 3},
                         {1, 1, 1, 1},
                         {2, 2, 0, 3},
                         {3, 2, 1, 1}}) {
    const Shape c{x[1]};
    examples.push_back({{x, c, c}, [](In in) { return batch_norm(in[0], in[1], in[2], 1e-3); }});
    const Tensor<double> mean = Rng(5).uniform<double>(c, -1, 1);
    const Tensor<double> var = Rng(6).uniform<double>(c, 0.5, 2);
    examples.push_back({{x, c, c}, [=](In in) {
                          return batch_norm(in[0], in[1], in[2], mean.view(), var.view());
                        }});
  }
  examples.push_back(
      {{{3, 3}, {3}}, [](In in) { return batch_norm(in[0], in[1], in[1]) * in[0]; }});
  return examples;
}

inline std::vector<Example> layer_norms() {
  std::vector<Example> examples;
  for (const Shape& x : {Shape{4, 5}, {5}, {1}, {3, 1}, {1, 4}, {2, 2, 3}, {2, 0}, {0, 3}}) {
    const Shape d{x[x.rank() - 1]};
    examples.push_back({{x, d, d}, [](In in) { return layer_norm(in[0], in[1], in[2], 1e-3); }});
  }
  examples.push_back({{{3}}, [](In in) { return layer_norm(in[0], in[0], in[0]) * in[0]; }});
  return examples;
}

inline std::vector<Example> convolutions() {
  const auto with = [](const Shape& x, const Shape& w, Index stride, Index padding) {
    return Example{{x, w, {w[0]}}, [=](In in) {
                     return conv2d(in[0], in[1], in[2], {.stride = stride, .padding = padding});
                   }};
  };
  std::vector<Example> examples = {
      with({2, 2, 5, 4}, {3, 2, 3, 2}, 1, 0),  // not square
      with({2, 2, 4, 5}, {2, 2, 3, 3}, 1, 1), with({1, 2, 6, 5}, {2, 2, 2, 3}, 2, 1),
      with({2, 1, 5, 7}, {1, 1, 2, 2}, 3, 0),  // windows that leave pixels out
      with({2, 3, 3, 2}, {4, 3, 1, 1}, 1, 0),  // one pixel: no columns are made
      with({2, 3, 3, 3}, {2, 3, 1, 1}, 2, 0), with({1, 2, 2, 2}, {2, 2, 1, 1}, 1, 1),
      with({1, 1, 3, 3}, {1, 1, 3, 3}, 1, 0),  // one place
      with({1, 1, 1, 1}, {1, 1, 3, 3}, 1, 1),  // a kernel larger than the image
      with({1, 1, 2, 1}, {1, 1, 1, 2}, 2, 3),  // padding beyond the kernel
      with({0, 2, 3, 3}, {2, 2, 2, 2}, 1, 0), with({2, 0, 3, 3}, {2, 0, 2, 2}, 1, 0),
      with({2, 2, 3, 3}, {0, 2, 2, 2}, 1, 0), with({0, 2, 3, 3}, {2, 2, 1, 1}, 1, 0),
  };
  examples.push_back({{{2, 2, 3, 3}, {2}}, [](In in) { return conv2d(in[0], in[0], in[1]); }});
  examples.push_back({{{2, 2, 3, 3}, {2, 2, 1, 1}, {2}},
                      [](In in) { return conv2d(in[0], in[1], in[2]) * in[0]; }});
  examples.push_back({{{2, 2, 3, 3}, {2, 2, 3, 3}, {2}}, [](In in) {
                        const Var<double> y = conv2d(in[0], in[1], in[2], {.padding = 1});
                        return conv2d(y, in[1], in[2], {.padding = 1}) * in[0];
                      }});
  return examples;
}

inline std::vector<Example> pools(Var<double> (*pool)(Var<double>, Index, Index)) {
  const auto with = [pool](const Shape& x, Index size, Index stride) {
    return Example{{x}, [=](In in) { return pool(in[0], size, stride); }};
  };
  std::vector<Example> examples = {
      with({2, 3, 4, 6}, 2, 2), with({1, 2, 5, 7}, 2, 2),  // windows that do not divide
      with({2, 1, 5, 4}, 3, 1), with({1, 1, 7, 5}, 2, 3),  // overlapping, apart
      with({1, 2, 3, 3}, 1, 1), with({1, 2, 3, 3}, 3, 5),
      with({0, 2, 3, 3}, 2, 2), with({2, 0, 3, 3}, 2, 1)};
  examples.push_back(
      {{{1, 1, 3, 3}}, [pool](In in) { return pool(in[0] * in[0], 2, 1) * pool(in[0], 2, 1); }});
  return examples;
}

inline std::vector<Example> permutations() {
  const auto with = [](const Shape& shape, std::vector<int> axes) {
    return Example{{shape}, [axes](In in) { return permute(in[0], std::span<const int>(axes)); }};
  };
  return {with({}, {}),
          with({4}, {0}),
          with({4}, {-1}),
          with({2, 5}, {0, 1}),
          with({2, 5}, {1, 0}),
          with({2, 3, 4}, {2, 0, 1}),
          with({2, 3, 4}, {0, 2, 1}),
          with({2, 3, 4}, {1, 0, 2}),
          with({2, 1, 3, 2}, {3, -3, 0, -2}),
          with({2, 1, 2, 1, 2, 3}, {5, 4, 3, 2, 1, 0}),
          with({2, 0, 3}, {2, 0, 1}),
          Example{{{3, 3}}, [](In in) {
                    return permute(in[0], {1, 0}) * in[0] + permute(in[0], {0, 1});
                  }}};
}

inline std::vector<Example> flips() {
  std::vector<Example> examples;
  for (const Shape& shape : any_shape) {
    for (int axis = -shape.rank(); axis < shape.rank(); ++axis) {
      examples.push_back({{shape}, [=](In in) { return flip(in[0], axis); }});
    }
  }
  examples.push_back({{{2, 3}}, [](In in) { return flip(in[0], 0) * in[0] + flip(in[0], 1); }});
  return examples;
}

inline std::vector<Example> slices() {
  const auto of = [](const Shape& shape, int axis, Index begin, Index end) {
    return Example{{shape}, [=](In in) { return slice(in[0], axis, begin, end); }};
  };
  return {of({5}, 0, 1, 4),
          of({5}, -1, 0, 5),
          of({5}, 0, 2, 2),
          of({4, 3}, 0, 1, 3),
          of({4, 3}, 1, 0, 2),
          of({4, 3}, 1, 1, 2),
          of({2, 4, 3}, 1, 1, 3),
          of({2, 4, 3}, -3, 1, 2),
          of({2, 0, 3}, 0, 0, 1),
          of({0, 3}, 1, 1, 2),
          of({2, 3, 1, 2, 1, 2}, 3, 1, 2),
          Example{{{4, 2}}, [](In in) {
                    return slice(in[0], 0, 0, 3) * slice(in[0], 0, 1, 4) + slice(in[0], 0, 1, 4);
                  }}};
}

inline std::vector<Example> concatenations() {
  const auto of = [](std::vector<Shape> shapes, int axis) {
    return Example{std::move(shapes), [axis](In in) { return concat(in, axis); }};
  };
  return {of({{3}}, 0),
          of({{3}, {1}, {2}}, 0),
          of({{2, 3}, {4, 3}}, 0),
          of({{2, 3}, {2, 1}, {2, 2}}, -1),
          of({{2, 1, 3}, {2, 2, 3}}, 1),
          of({{0, 3}, {2, 3}}, 0),
          of({{2, 3}, {2, 0}}, 1),
          of({{0, 3}, {0, 2}}, 1),
          of({{0}, {0}}, 0),
          of({{1, 2, 1, 2, 2, 1}, {1, 2, 1, 3, 2, 1}}, 3),
          Example{{{2, 2}}, [](In in) {
                    return concat({in[0], in[0] * in[0], in[0]}, 1);
                  }}};
}

inline std::vector<Example> stacks() {
  std::vector<Example> examples;
  for (const Shape& shape : {Shape{}, {3}, {0}, {2, 3}, {2, 0}, {2, 1, 2}, {1, 2, 1, 2, 1}}) {
    for (int axis = -shape.rank() - 1; axis <= shape.rank(); ++axis) {
      examples.push_back({{shape, shape, shape}, [axis](In in) { return stack(in, axis); }});
    }
  }
  examples.push_back({{{2, 2}}, [](In in) { return stack({in[0], in[0] * in[0]}, 1); }});
  return examples;
}

inline std::vector<Example> lookups() {
  const auto of = [](const Shape& shape, std::vector<std::int32_t> indices) {
    return Example{{shape}, [indices](In in) {
                     return gather_rows(in[0], std::span<const std::int32_t>(indices));
                   }};
  };
  return {of({4, 3}, {2, 0, 2, 1}),
          of({4, 3}, {3}),
          of({5}, {4, 4, 4, 0}),
          of({3, 2, 2}, {1, 2}),
          of({4, 3}, {}),
          of({4, 0}, {1, 3}),
          of({0, 3}, {}),
          of({1, 1}, {0, 0}),
          Example{{{3, 2}}, [](In in) {
                    static const std::vector<std::int32_t> all{1, 0, 1};
                    return gather_rows(in[0], std::span<const std::int32_t>(all)) * in[0];
                  }}};
}

/// One row per op.
inline const std::map<std::string, std::vector<Example>>& table() {
  static const std::map<std::string, std::vector<Example>> rows = {
      {"add", broadcasting(add)},
      {"sub", broadcasting(sub)},
      {"mul", broadcasting(mul)},
      {"div", with(broadcasting(div), elementwise([](Var<double> x) { return x / -2.5; }))},
      {"scale", elementwise([](Var<double> x) { return scale(x, -2.5); })},
      {"shift", elementwise([](Var<double> x) { return shift(x, 0.75); })},
      {"neg", elementwise(neg)},
      {"exp", elementwise(exp)},
      {"log", elementwise(log, true)},
      {"sqrt", elementwise(sqrt, true)},
      {"square", elementwise(square)},
      {"tanh", elementwise(tanh)},
      {"sigmoid", elementwise(sigmoid)},
      {"relu", elementwise(relu)},
      {"pow", powers()},
      {"maximum", broadcasting(maximum)},
      {"minimum", broadcasting(minimum)},
      {"abs", elementwise(abs)},
      {"sin", elementwise(sin)},
      {"cos", elementwise(cos)},
      {"softplus", elementwise(softplus)},
      {"gelu", elementwise(gelu)},
      {"leaky_relu", elementwise([](Var<double> x) { return leaky_relu(x, 0.2); })},
      {"reciprocal", elementwise(reciprocal)},
      {"clamp", elementwise([](Var<double> x) { return clamp(x, -0.7, 0.9); })},
      {"dropout", elementwise([](Var<double> x) { return dropout(x, 0.4, Rng(5, 2)); })},
      {"max", reducing(max, max)},
      {"var", reducing(var, var)},
      {"logsumexp", reducing(logsumexp, logsumexp)},
      {"permute", permutations()},
      {"flip", flips()},
      {"slice", slices()},
      {"concat", concatenations()},
      {"stack", stacks()},
      {"gather_rows", lookups()},
      {"sum", reducing(sum, sum)},
      {"mean", reducing(mean, mean)},
      {"reshape", reshapes()},
      {"transpose", transposes()},
      {"broadcast_to", broadcasts()},
      {"matmul", products()},
      {"linear", linears()},
      {"softmax", over_classes(softmax)},
      {"log_softmax", over_classes(log_softmax)},
      {"softmax_cross_entropy", all_cross_entropies()},
      {"multiclass_hinge", hinges()},
      {"binary_cross_entropy_with_logits",
       with_targets([](Var<double> x,
                       View<const double> t) { return binary_cross_entropy_with_logits(x, t); },
                    any_shape)},
      {"mse", squared_errors()},
      {"batch_norm", batch_norms()},
      {"layer_norm", layer_norms()},
      {"conv2d", convolutions()},
      {"max_pool2d", pools(max_pool2d)},
      {"avg_pool2d", pools(avg_pool2d)},
  };
  return rows;
}

inline std::string describe(const std::string& op, const Example& example) {
  std::string text = op;
  for (const Shape& shape : example.shapes) text += fmt::format(" {}", to_string(shape));
  return text;
}

}  // namespace tapegrad::test
