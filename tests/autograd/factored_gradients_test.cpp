#include "autograd/factored_gradients.h"

#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tests/catch.h"

using namespace tapegrad;

namespace {

constexpr Index images = 100, features = 1030, hidden = 50;

/// A gradient's factors, and two parameters that it may belong to.
template <class T>
struct Example {
  Rng rng{6};
  Tensor<T> a = rng.normal<T>({images, hidden}, 1);
  Tensor<T> b = rng.normal<T>({images, features}, 1);
  Parameter<T> weight{Tensor<T>({hidden, features})};
  Parameter<T> other{rng.normal<T>({images, features}, 1)};
  Factors<T> factors{a, b};
};

bool descends() { return kernels::can_descend_along({images, hidden}, {images, features}); }

}  // namespace

TEST_CASE("factored gradients: kept for a listed parameter until they are written or forgotten") {
  Example<float> example;
  FactoredGradients<float> all;
  all.list(example.other);
  all.list(example.weight);
  {
    Tape<float> tape;  // which makes it a gradient
    tape.backward(sum(tape.parameter(example.weight)));
  }
  CHECK(all.at(1) == nullptr);
  REQUIRE(all.keep(example.weight, example.factors) == descends());
  if (!descends()) return;
  CHECK(all.at(0) == nullptr);
  CHECK(all.at(1)->a.data() == example.a.data());
  CHECK(all.at(1)->b.data() == example.b.data());

  all.write(example.weight);
  Tensor<float> expected({hidden, features});
  kernels::gemm<float>(kernels::Op::transpose, kernels::Op::none, example.a, example.b,
                       expected.view());
  CHECK(Tensor<float>(example.weight.gradient()) == expected);
  CHECK(all.at(1) == nullptr);

  REQUIRE(all.keep(example.weight, example.factors));
  all.forget();
  CHECK(all.at(1) == nullptr);
}

TEST_CASE("factored gradients: not kept for others, nor of shapes without a loop, nor of doubles") {
  Example<float> example;
  FactoredGradients<float> all;
  CHECK_FALSE(all.keep(example.weight, example.factors));
  all.list(example.weight);
  CHECK_FALSE(all.keep(example.other, example.factors));
  CHECK(all.keep(example.weight, example.factors) == descends());
  all.forget();
  const Factors<float> narrow{example.a, example.a};
  CHECK_FALSE(all.keep(example.weight, narrow));
  example.weight.freeze();
  CHECK_FALSE(all.keep(example.weight, example.factors));

  Example<double> wide;
  FactoredGradients<double> of_doubles;
  of_doubles.list(wide.weight);
  CHECK_FALSE(of_doubles.keep(wide.weight, wide.factors));
}

TEST_CASE("factored gradients: not kept when a factor has values that may be moved before") {
  Example<float> example;
  Parameter<float> rows(example.rng.normal<float>({images + 10, hidden}, 1));
  FactoredGradients<float> without, with;
  without.list(example.weight);
  with.list(example.weight);
  with.list(example.other);
  with.list(rows);
  const View<const float> middle(rows.value().data() + 5 * hidden, {images, hidden});
  for (const Factors<float>& factors :
       {Factors<float>{example.a, example.other.value()}, Factors<float>{middle, example.b}}) {
    CHECK(without.keep(example.weight, factors) == descends());
    CHECK_FALSE(with.keep(example.weight, factors));
  }
  CHECK(with.keep(example.weight, example.factors) == descends());
}
