#include "tensor/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

namespace tapegrad {
namespace {

constexpr int max_fraction = 8;  // digits after the point
constexpr std::size_t line_width = 75;
constexpr Index summary_threshold = 1000;
constexpr Index edge = 3;  // how many elements a summary shows at either end of an axis

// ---- one number ----

template <class T, class... Format>
std::string to_chars(T x, Format... format) {
  char text[512];  // the longest: -DBL_MAX without exponent, 309 digits, and a fraction
  return {text, std::to_chars(text, text + sizeof text, x, format...).ptr};
}

// A finite number's decimal digits: [-] d.ddd 10^exponent.
struct Decimal {
  // From "-d.ddde+XX".
  explicit Decimal(const std::string& scientific) {
    const std::size_t e = scientific.find('e');
    std::from_chars(scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1),
                    scientific.data() + scientific.size(), exponent);
    const std::size_t first = scientific[0] == '-' ? 1 : 0;
    sign = scientific.substr(0, first);
    whole = scientific.substr(first, 1);
    if (first + 1 < e) fraction = scientific.substr(first + 2, e - first - 2);
  }

  int fraction_size() const { return static_cast<int>(fraction.size()); }

  std::string sign, whole, fraction;
  int exponent = 0;
};

// The fewest digits that only x rounds from.
template <class T>
Decimal shortest(T x) {
  return Decimal(to_chars(x, std::chars_format::scientific));
}

void trim_zeros(std::string& fraction) {
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
}

// x as d.ddd 10^e: its shortest digits, or rounded to max_fraction digits behind the point.
template <class T>
Decimal rounded(T x) {
  Decimal d = shortest(x);
  if (d.fraction_size() <= max_fraction) return d;
  d = Decimal(to_chars(x, std::chars_format::scientific, max_fraction));
  trim_zeros(d.fraction);
  return d;
}

// x as d.ddd 10^e with exactly `digits` behind the point: not the shortest digits and zeros, but
// those of x's exact value.
template <class T>
Decimal with_fraction(T x, int digits) {
  Decimal d = shortest(x);
  if (d.fraction_size() == digits) return d;
  return Decimal(to_chars(x, std::chars_format::scientific, digits));
}

// A number split at its decimal point, for lining up.
struct Positional {
  std::string whole;  // with the sign
  std::string fraction;
};

Positional positional(const Decimal& d) {
  std::string digits = d.whole + d.fraction;
  int point = d.exponent + 1;
  if (point < 1) digits.insert(0, static_cast<std::size_t>(1 - point), '0');
  point = std::max(point, 1);
  const auto whole = static_cast<std::size_t>(point);
  if (digits.size() < whole) digits.append(whole - digits.size(), '0');
  return {d.sign + digits.substr(0, whole), digits.substr(whole)};
}

// With at most max_fraction digits behind the point: the shortest ones if they suffice, else
// rounded. Those before the point are exact.
template <class T>
Positional positional(T x) {
  const Decimal d = shortest(x);
  const int digits = d.fraction_size() - d.exponent;
  if (0 < digits && digits <= max_fraction) return positional(d);
  if (digits <= 0) return {to_chars(x, std::chars_format::fixed, 0), ""};
  const std::string text = to_chars(x, std::chars_format::fixed, max_fraction);
  const std::size_t point = text.find('.');
  Positional p{text.substr(0, point), text.substr(point + 1)};
  trim_zeros(p.fraction);
  return p;
}

std::string non_finite(double x) { return std::isnan(x) ? "nan" : x < 0 ? "-inf" : "inf"; }

// A number on its own, as Python prints it: 0.5, 1.0, 1e-05.
template <Scalar T>
std::string scalar_text(T x) {
  if (!std::isfinite(x)) return non_finite(x);
  const double size = std::abs(static_cast<double>(x));
  if (size != 0 && (size < 1e-4 || size >= 1e16)) return to_chars(x, std::chars_format::scientific);
  const Positional p = positional(shortest(x));
  return p.whole + "." + (p.fraction.empty() ? "0" : p.fraction);
}

std::string scalar_text(std::int32_t x) { return to_chars(x); }

// ---- columns: every number of an array gets the same width ----

std::string padded(std::size_t width, const std::string& text) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

template <class T>
class Column {
 public:
  explicit Column(const std::vector<T>& shown) {
    std::vector<T> finite;
    std::copy_if(shown.begin(), shown.end(), std::back_inserter(finite),
                 [](T x) { return std::isfinite(x); });
    scientific_ = needs_exponent(finite);
    for (const T x : finite) scientific_ ? measure_scientific(x) : measure_positional(x);
    behind_ = scientific_ ? exponent_digits_ + 2 + fraction_ : fraction_;
    for (const T x : shown) {
      if (std::isfinite(x)) continue;
      const std::size_t size = non_finite(x).size();
      if (size > behind_ + 1) before_ = std::max(before_, size - behind_ - 1);
    }
  }

  std::string operator()(T x) const {
    if (!std::isfinite(x)) return padded(before_ + 1 + behind_, non_finite(x));
    if (scientific_) {
      const Decimal d = with_fraction(x, static_cast<int>(fraction_));
      return fmt::format("{}.{}e{}{:0{}}", padded(before_, d.sign + d.whole), d.fraction,
                         d.exponent < 0 ? '-' : '+', std::abs(d.exponent), exponent_digits_);
    }
    const Positional p = positional(x);
    return padded(before_, p.whole) + "." + p.fraction +
           std::string(fraction_ - p.fraction.size(), ' ');
  }

 private:
  // NumPy's rule, with the quotient in the array's own type as there.
  static bool needs_exponent(const std::vector<T>& finite) {
    T smallest = std::numeric_limits<T>::infinity();
    T largest = 0;
    for (const T x : finite) {
      if (x == 0) continue;
      smallest = std::min(smallest, std::abs(x));
      largest = std::max(largest, std::abs(x));
    }
    if (largest == 0) return false;
    return largest >= T(1e8) || static_cast<double>(smallest) < 1e-4 || largest / smallest > 1000;
  }

  void measure_scientific(T x) {
    const Decimal d = rounded(x);
    before_ = std::max(before_, d.sign.size() + 1);
    fraction_ = std::max(fraction_, d.fraction.size());
    exponent_digits_ = std::max<std::size_t>(exponent_digits_, std::abs(d.exponent) >= 100 ? 3 : 2);
  }

  void measure_positional(T x) {
    const Positional p = positional(x);
    before_ = std::max(before_, p.whole.size());
    fraction_ = std::max(fraction_, p.fraction.size());
  }

  bool scientific_ = false;
  std::size_t before_ = 0;  // characters before the point
  std::size_t behind_ = 0;  // and behind it, the exponent included
  std::size_t fraction_ = 0;
  std::size_t exponent_digits_ = 0;
};

template <>
class Column<std::int32_t> {
 public:
  explicit Column(const std::vector<std::int32_t>& shown) {
    for (const std::int32_t x : shown) width_ = std::max(width_, scalar_text(x).size());
  }
  std::string operator()(std::int32_t x) const { return padded(width_, scalar_text(x)); }

 private:
  std::size_t width_ = 0;
};

// ---- arrays ----

constexpr Index gap = -1;

template <class T>
class Printer {
 public:
  explicit Printer(View<const T> x)
      : x_(x), summarised_(x.size() > summary_threshold), column_(shown_numbers()) {}

  std::string text() const { return block(0, 0, " ", line_width); }

 private:
  // The indices along an axis that are printed; `gap` stands for those left out.
  std::vector<Index> shown_indices(int axis) const {
    const Index n = x_.shape()[axis];
    std::vector<Index> shown;
    for (Index i = 0; i < n; ++i) {
      if (summarised_ && n > 2 * edge && i == edge) {
        shown.push_back(gap);
        i = n - edge;
      }
      shown.push_back(i);
    }
    return shown;
  }

  std::vector<T> shown_numbers() const {
    std::vector<Index> offsets = {0};
    for (int axis = 0; axis < x_.shape().rank(); ++axis) {
      std::vector<Index> longer;
      for (const Index offset : offsets) {
        for (const Index i : shown_indices(axis)) {
          if (i != gap) longer.push_back(offset * x_.shape()[axis] + i);
        }
      }
      offsets = std::move(longer);
    }
    std::vector<T> numbers;
    for (const Index offset : offsets) numbers.push_back(x_[offset]);
    return numbers;
  }

  // The part of the array that the leading `axis` indices, flattened to `start`, select; `indent`
  // is what its lines after the first begin with.
  std::string block(int axis, Index start, const std::string& indent, std::size_t width) const {
    const bool innermost = axis == x_.shape().rank() - 1;
    return fmt::format(
        "[{}]", innermost ? row(axis, start, indent, width) : rows(axis, start, indent, width));
  }

  std::string rows(int axis, Index start, const std::string& indent, std::size_t width) const {
    const auto blank_lines = static_cast<std::size_t>(x_.shape().rank() - axis - 1);
    std::string text;
    for (const Index i : shown_indices(axis)) {
      if (!text.empty()) text += std::string(blank_lines, '\n') + indent;
      text +=
          i == gap ? "..." : block(axis + 1, start * x_.shape()[axis] + i, indent + " ", width - 1);
    }
    return text;
  }

  std::string row(int axis, Index start, const std::string& indent, std::size_t width) const {
    std::string text;
    std::string line = indent;
    for (const Index i : shown_indices(axis)) {
      if (i != 0) line += " ";
      const std::string word = i == gap ? "..." : column_(x_[start * x_.shape()[axis] + i]);
      if (line.size() + word.size() > width - 1 && line.size() > indent.size()) {
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
        line = indent;
      }
      line += word;
    }
    return (text + line).substr(indent.size());
  }

  View<const T> x_;
  bool summarised_;
  Column<T> column_;
};

template <class T>
std::string array_text(View<const T> x) {
  if (x.size() == 0) return "[]";
  if (x.shape().rank() == 0) return scalar_text(x[0]);
  return Printer<T>(x).text();
}

}  // namespace

std::string to_string(View<const float> x) { return array_text(x); }
std::string to_string(View<const double> x) { return array_text(x); }
std::string to_string(View<const std::int32_t> x) { return array_text(x); }

}  // namespace tapegrad
