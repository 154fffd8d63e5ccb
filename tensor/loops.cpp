// Compiled once per instruction set, with TAPEGRAD_ISA naming the namespace. Helpers are internal
// and no header with inline functions is included, so the linker can never pick a copy compiled for
// a newer processor than the one that runs.
#include "tensor/loops.h"

#include "tensor/loops_axis.h"
#include "tensor/loops_functions.h"
#include "tensor/loops_losses.h"
#include "tensor/loops_normalization.h"
#include "tensor/loops_pixels.h"
#include "tensor/loops_products.h"
#include "tensor/loops_updates.h"

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// The loop that applies a formula, given as a lambda without captures, to every element. A number
// alone, as in chains of them, is spared what a loop of vectors does before its first.
template <class T, class F>
constexpr UnaryLoop<T> unary(F) {
  return [](Index n, const T* x, T* __restrict out, bool fresh) {
    if (n == 1) {
      put(*out, F{}(*x), fresh);
    } else if (fresh) {
      for (Index i = 0; i < n; ++i) out[i] = F{}(x[i]);
    } else {
      for (Index i = 0; i < n; ++i) out[i] += F{}(x[i]);
    }
  };
}

template <class T, class F>
constexpr ScalarLoop<T> with_scalar(F) {
  return [](Index n, T k, const T* x, T* __restrict out, bool fresh) {
    if (n == 1) {
      put(*out, F{}(k, *x), fresh);
    } else if (fresh) {
      for (Index i = 0; i < n; ++i) out[i] = F{}(k, x[i]);
    } else {
      for (Index i = 0; i < n; ++i) out[i] += F{}(k, x[i]);
    }
  };
}

template <class T, class F>
constexpr BinaryLoop<T> binary(F) {
  return [](Index n, const T* x, const T* y, T* __restrict out, bool fresh) {
    if (n == 1) {
      put(*out, F{}(*x, *y), fresh);
    } else if (fresh) {
      for (Index i = 0; i < n; ++i) out[i] = F{}(x[i], y[i]);
    } else {
      for (Index i = 0; i < n; ++i) out[i] += F{}(x[i], y[i]);
    }
  };
}

template <class T, class F>
constexpr ScalarBinaryLoop<T> binary_with_scalar(F) {
  return [](Index n, T k, const T* x, const T* y, T* __restrict out, bool fresh) {
    if (n == 1) {
      put(*out, F{}(k, *x, *y), fresh);
    } else if (fresh) {
      for (Index i = 0; i < n; ++i) out[i] = F{}(k, x[i], y[i]);
    } else {
      for (Index i = 0; i < n; ++i) out[i] += F{}(k, x[i], y[i]);
    }
  };
}

template <class T, class F>
constexpr RangeLoop<T> with_range(F) {
  return [](Index n, T low, T high, const T* x, T* __restrict out, bool fresh) {
    for (Index i = 0; i < n; ++i) put(out[i], F{}(low, high, x[i]), fresh);
  };
}

template <class T, class F>
constexpr RangeBinaryLoop<T> binary_with_range(F) {
  return [](Index n, T low, T high, const T* x, const T* y, T* __restrict out, bool fresh) {
    for (Index i = 0; i < n; ++i) put(out[i], F{}(low, high, x[i], y[i]), fresh);
  };
}

template <class T, class F>
constexpr TernaryLoop<T> ternary(F) {
  return [](Index n, const T* x, const T* y, const T* z, T* __restrict out, bool fresh) {
    if (n == 1) {
      put(*out, F{}(*x, *y, *z), fresh);
    } else if (fresh) {
      for (Index i = 0; i < n; ++i) out[i] = F{}(x[i], y[i], z[i]);
    } else {
      for (Index i = 0; i < n; ++i) out[i] += F{}(x[i], y[i], z[i]);
    }
  };
}

template <class T>
T sum(Index n, const T* x) {
  return reduce<T>(n, [=](Index i) { return x[i]; });
}

template <class T>
double sum_squares(Index n, const T* x) {
  return reduce<double>(n, [=](Index i) { return static_cast<double>(x[i]) * x[i]; });
}

// Only NaN and infinity have every bit of the exponent set; adding its lowest bit then carries into
// the sign's place. Integers alone, so the loop becomes vectors without -ffast-math.
std::uint32_t carry_of_exponent(float x) {
  return (__builtin_bit_cast(std::uint32_t, x) & 0x7f80'0000U) + 0x0080'0000U;
}
std::uint64_t carry_of_exponent(double x) {
  return (__builtin_bit_cast(std::uint64_t, x) & 0x7ff0'0000'0000'0000U) + 0x0010'0000'0000'0000U;
}
[[maybe_unused]] std::uint64_t carry_of_exponent(Dual x) {
  return carry_of_exponent(x.value) | carry_of_exponent(x.tangent);
}

template <class T>
bool all_finite(Index n, const T* x) {
  decltype(carry_of_exponent(T())) carries = 0;
  for (Index i = 0; i < n; ++i) carries |= carry_of_exponent(x[i]);
  return carries >> (8 * sizeof carries - 1) == 0;
}

// out[r] = sum_c x[r, c]
template <class T>
void row_sums(Index rows, Index cols, const T* x, T* out, bool fresh) {
  for (Index r = 0; r < rows; ++r) put(out[r], sum(cols, x + r * cols), fresh);
}

// out[c] = sum_r x[r, c]
template <class T>
void column_sums(Index rows, Index cols, const T* x, T* __restrict out, bool fresh) {
  sum_rows(rows, cols, out, fresh, [=](Index r, Index c) { return x[r * cols + c]; });
}

// out[r, c] = x[r]
template <class T>
void repeat_columns(Index rows, Index cols, const T* x, T* __restrict out, bool fresh) {
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < cols; ++c) put(out[r * cols + c], x[r], fresh);
  }
}

// out[r, c] = x[r, c] - max_c x[r, c]
template <class T>
void subtract_row_max(Index rows, Index cols, const T* x, T* __restrict out) {
  for (Index r = 0; r < rows; ++r) {
    const T m = largest(cols, x + r * cols);
    for (Index c = 0; c < cols; ++c) out[r * cols + c] = x[r * cols + c] - m;
  }
}

// Always overwrites: `fresh` is part of the table's signature only.
template <class T>
void softmax(Index rows, Index cols, const T* x, T* __restrict y, bool) {
  subtract_row_max(rows, cols, x, y);
  for (Index i = 0; i < rows * cols; ++i) y[i] = exponential(y[i]);
  for (Index r = 0; r < rows; ++r) {
    T* row = y + r * cols;
    const T total = sum(cols, row);
    for (Index c = 0; c < cols; ++c) row[c] /= total;
  }
}

template <class T>
void log_softmax(Index rows, Index cols, const T* x, T* __restrict y, bool) {
  subtract_row_max(rows, cols, x, y);
  for (Index r = 0; r < rows; ++r) {
    T* row = y + r * cols;
    const T log_total = logarithm(reduce<T>(cols, [=](Index c) { return exponential(row[c]); }));
    for (Index c = 0; c < cols; ++c) row[c] -= log_total;
  }
}

// dx = y * (dy - sum_c dy y)
template <class T>
void softmax_vjp(Index rows, Index cols, const T* dy, const T* y, T* __restrict dx, bool fresh) {
  for (Index r = 0; r < rows; ++r, dy += cols, y += cols, dx += cols) {
    const T dot = reduce<T>(cols, [=](Index c) { return dy[c] * y[c]; });
    for (Index c = 0; c < cols; ++c) put(dx[c], y[c] * (dy[c] - dot), fresh);
  }
}

// dx = dy - exp(y) * sum_c dy
template <class T>
void log_softmax_vjp(Index rows, Index cols, const T* dy, const T* y, T* __restrict dx,
                     bool fresh) {
  for (Index r = 0; r < rows; ++r, dy += cols, y += cols, dx += cols) {
    const T total = sum(cols, dy);
    for (Index c = 0; c < cols; ++c) put(dx[c], dy[c] - exponential(y[c]) * total, fresh);
  }
}

// sum_r -log softmax(x)[r, label_r], leaving the probabilities in p. The loss is taken from the
// logits, so a probability that underflows to 0 still has its finite loss.
template <class T>
T cross_entropy(Index rows, Index cols, const T* x, const std::int32_t* labels, T* __restrict p) {
  subtract_row_max(rows, cols, x, p);
  Wide<T> at_label = 0;
  for (Index r = 0; r < rows; ++r) at_label += p[r * cols + labels[r]];
  for (Index i = 0; i < rows * cols; ++i) p[i] = exponential(p[i]);
  Wide<T> log_totals = 0;
  for (Index r = 0; r < rows; ++r) {
    T* row = p + r * cols;
    const T total = sum(cols, row);
    log_totals += logarithm(total);
    for (Index c = 0; c < cols; ++c) row[c] /= total;
  }
  return static_cast<T>(log_totals - at_label);
}

// dx = scale * (p - onehot(labels))
template <class T>
void cross_entropy_vjp(Index rows, Index cols, T scale, const T* p, const std::int32_t* labels,
                       T* __restrict dx, bool fresh) {
  for (Index i = 0; i < rows * cols; ++i) put(dx[i], scale * p[i], fresh);
  for (Index r = 0; r < rows; ++r) dx[r * cols + labels[r]] -= scale;
}

template <class T>
constexpr Loops<T> table(const char* instruction_set) {
  return {
      .instruction_set = instruction_set,

      .copy = unary<T>([](T x) { return x; }),
      .negate = unary<T>([](T x) { return -x; }),
      .exp = unary<T>([](T x) { return exponential(x); }),
      .log = unary<T>([](T x) { return logarithm(x); }),
      .sqrt = unary<T>([](T x) { return square_root(x); }),
      .square = unary<T>([](T x) { return x * x; }),
      .tanh = unary<T>([](T x) { return hyperbolic_tangent(x); }),
      .sigmoid = unary<T>([](T x) { return logistic(x); }),
      .relu = unary<T>([](T x) { return x <= T(0) ? T(0) : x; }),  // NaN stays NaN

      .scale = with_scalar<T>([](T k, T x) { return k * x; }),
      .shift = with_scalar<T>([](T k, T x) { return k + x; }),
      .quotient = with_scalar<T>([](T k, T x) { return x / k; }),

      .add = binary<T>([](T x, T y) { return x + y; }),
      .subtract = binary<T>([](T x, T y) { return x - y; }),
      .multiply = binary<T>([](T x, T y) { return x * y; }),
      .divide = binary<T>([](T x, T y) { return x / y; }),

      .sqrt_vjp = binary<T>([](T dy, T y) { return dy / (y + y); }),
      .square_vjp = binary<T>([](T dy, T x) { return dy * (x + x); }),
      .tanh_vjp = binary<T>([](T dy, T y) { return dy * (T(1) - y * y); }),
      .sigmoid_vjp = binary<T>([](T dy, T y) { return dy * y * (T(1) - y); }),
      .relu_vjp = binary<T>([](T dy, T y) { return y <= T(0) ? T(0) : dy; }),
      .divide_vjp = ternary<T>([](T dy, T y, T b) { return -(dy * y) / b; }),

      .sum = sum<T>,
      .row_sums = row_sums<T>,
      .column_sums = column_sums<T>,
      .repeat_columns = repeat_columns<T>,
      .softmax = softmax<T>,
      .log_softmax = log_softmax<T>,
      .softmax_vjp = softmax_vjp<T>,
      .log_softmax_vjp = log_softmax_vjp<T>,
      .cross_entropy = cross_entropy<T>,
      .cross_entropy_vjp = cross_entropy_vjp<T>,

      .abs = unary<T>([](T x) { return x < T(0) ? -x : (x == T(0) ? T(0) : x); }),
      .sin = unary<T>([](T x) { return sine(x); }),
      .cos = unary<T>([](T x) { return cosine(x); }),
      .softplus = unary<T>([](T x) { return softplus(x); }),
      .gelu = unary<T>([](T x) { return x * normal_cdf(x); }),
      .reciprocal = unary<T>([](T x) { return T(1) / x; }),
      .leaky_relu = with_scalar<T>([](T k, T x) { return x > T(0) ? x : k * x; }),
      .pow_constant = with_scalar<T>([](T k, T x) { return power(x, k); }),
      .pow = binary<T>([](T a, T b) { return power(a, b); }),
      .maximum = binary<T>([](T a, T b) { return larger(a, b); }),
      .minimum = binary<T>([](T a, T b) { return -larger(-a, -b); }),
      .clamp =
          with_range<T>([](T low, T high, T x) { return x < low ? low : (x > high ? high : x); }),
      .abs_vjp = binary<T>([](T dy, T x) { return x > T(0) ? dy : (x < T(0) ? -dy : T(0)); }),
      .sin_vjp = binary<T>([](T dy, T x) { return dy * cosine(x); }),
      .cos_vjp = binary<T>([](T dy, T x) { return -dy * sine(x); }),
      .softplus_vjp = binary<T>([](T dy, T x) { return dy * logistic(x); }),
      .gelu_vjp = binary<T>([](T dy, T x) { return dy * (normal_cdf(x) + x * normal_density(x)); }),
      .reciprocal_vjp = binary<T>([](T dy, T y) { return -dy * y * y; }),
      .leaky_relu_vjp =
          binary_with_scalar<T>([](T k, T dy, T x) { return x > T(0) ? dy : k * dy; }),
      .pow_constant_vjp = binary_with_scalar<T>([](T k, T dy, T x) {
        const T slope = k * power(x, k - T(1));
        return k == T(0) ? T(0) : dy * slope;
      }),
      .pow_base_vjp = ternary<T>([](T dy, T a, T b) {
        const T p = power(a, b - T(1));
        const T slope = b * p;
        return b == T(0) && p - p != T(0) ? T(0) : dy * slope;  // 0, not 0 times infinity
      }),
      .pow_exponent_vjp = ternary<T>([](T dy, T y, T a) {
        const T slope = y * logarithm(a);
        return a == T(0) && y <= T(1) ? T(0) : dy * slope;
      }),
      // the share of a, which is 0 where b is larger
      .maximum_vjp =
          ternary<T>([](T dy, T a, T b) { return a < b ? T(0) : (a == b ? T(0.5) * dy : dy); }),
      .clamp_vjp = binary_with_range<T>(
          [](T low, T high, T dy, T x) { return x >= low && x <= high ? dy : T(0); }),

      .max_axis = max_axis<T>,
      .max_axis_vjp = max_axis_vjp<T>,
      .var_axis = var_axis<T>,
      .var_axis_vjp = var_axis_vjp<T>,
      .logsumexp_axis = logsumexp_axis<T>,
      .logsumexp_axis_vjp = logsumexp_axis_vjp<T>,

      .soft_cross_entropy = soft_cross_entropy<T>,
      .soft_cross_entropy_vjp = soft_cross_entropy_vjp<T>,
      .hinge = hinge<T>,
      .hinge_vjp = hinge_vjp<T>,
      .binary_cross_entropy = binary_cross_entropy<T>,
      .binary_cross_entropy_vjp = binary_cross_entropy_vjp<T>,
      .squared_distance = squared_distance<T>,
      .scaled_difference = scaled_difference<T>,

      .moments = moments<T>,
      .reciprocal_root = with_scalar<T>([](T k, T x) { return T(1) / square_root(x + k); }),
      .normalize = normalize<T>,
      .normalize_vjp = normalize_vjp<T>,
      .channel_affine = channel_affine<T>,
      .channel_scale = channel_scale<T>,
      .channel_sums = channel_sums<T>,
      .channel_dots = channel_dots<T>,

      .all_finite = all_finite<T>,
  };
}

template <class T>
constexpr TrainingLoops<T> training_table() {
  return {.sum_squares = sum_squares<T>,
          .decode = decode<T>,
          .descend = descend<T>,
          .descend_with_momentum = descend_with_momentum<T>,
          .adam = adam<T>,
          .adagrad = adagrad<T>,
          .rmsprop = rmsprop<T>};
}

#define TAPEGRAD_TEXT_OF(x) #x
#define TAPEGRAD_TEXT(x) TAPEGRAD_TEXT_OF(x)
constexpr const char* isa_name = TAPEGRAD_TEXT(TAPEGRAD_ISA);

constexpr Loops<float> float_loops = table<float>(isa_name);
constexpr Loops<double> double_loops = table<double>(isa_name);
constexpr TrainingLoops<float> float_training = training_table<float>();
constexpr TrainingLoops<double> double_training = training_table<double>();

}  // namespace

template <>
const Loops<float>& loops<float>() {
  return float_loops;
}

template <>
const Loops<double>& loops<double>() {
  return double_loops;
}

template <>
const TrainingLoops<float>& training_loops<float>() {
  return float_training;
}

template <>
const TrainingLoops<double>& training_loops<double>() {
  return double_training;
}

const ProductLoops* product_loops() {
#if defined(__FMA__)
  return &product_table;
#else
  return nullptr;
#endif
}

// Dual is for checking: one copy will do, and none whose inline functions use newer instructions.
#ifdef TAPEGRAD_DUAL_LOOPS
namespace {
constexpr Loops<Dual> dual_loops = table<Dual>(isa_name);
}

template <>
const Loops<Dual>& loops<Dual>() {
  return dual_loops;
}
#endif

}  // namespace tapegrad::kernels::TAPEGRAD_ISA
