#include "nn/snapshots.h"

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("snapshots: come back value by value, and only into their own parameters") {
  Parameter<double> a(Tensor<double>(Shape{2}, 1)), b(Tensor<double>(Shape{3}, 2));
  ParameterList<double> all;
  all.add("a", a).add("b", b);
  nn::Snapshots<double> snapshots;
  snapshots.add(all);
  a.write().data()[1] = 5;
  snapshots.add(all);
  CHECK(snapshots.size() == 2);
  snapshots.restore(0, all);
  CHECK(a.value().data()[1] == 1);
  snapshots.restore(1, all);
  CHECK(a.value().data()[1] == 5);
  CHECK(b.value().data()[2] == 2);

  CHECK_THROWS_AS(snapshots.restore(2, all), OptionError);
  ParameterList<double> other;
  other.add("b", b).add("a", a);
  CHECK_THROWS_AS(snapshots.restore(0, other), ShapeError);
  ParameterList<double> fewer;
  fewer.add("a", a);
  CHECK_THROWS_AS(snapshots.restore(0, fewer), ShapeError);
}

TEST_CASE("snapshots: what is saved is loaded, and nothing else") {
  Parameter<double> w(Tensor<double>({2}, {1, 2}));
  ParameterList<double> all;
  all.add("w", w);
  nn::Snapshots<double> snapshots;
  snapshots.add(all);
  w.write()[0] = 5;
  snapshots.add(all);
  Safetensors saved = snapshots.save();
  nn::Snapshots<double> loaded;
  loaded.load(saved);
  REQUIRE(loaded.size() == 2);
  loaded.restore(0, all);
  CHECK(w.value()[0] == 1);
  loaded.restore(1, all);
  CHECK(w.value()[0] == 5);
  saved.add<double>("4/0", Tensor<double>({2}));
  CHECK_THROWS_AS(loaded.load(saved), FormatError);
  CHECK(loaded.size() == 2);
}

TEST_CASE("snapshots: where one does not fit, nothing is written") {
  Parameter<double> a(Tensor<double>(Shape{2}, 1)), b(Tensor<double>(Shape{3}, 2));
  ParameterList<double> all;
  all.add("a", a).add("b", b);
  nn::Snapshots<double> snapshots;
  snapshots.add(all);
  Parameter<double> longer(Tensor<double>(Shape{4}, 7));
  ParameterList<double> other;
  other.add("a", a).add("b", longer);
  a.write()[0] = 5;
  CHECK_THROWS_AS(snapshots.restore(0, other), ShapeError);
  CHECK(a.value()[0] == 5);
}

TEST_CASE("snapshots: there is none before the first") {
  Parameter<float> w(Tensor<float>({1}, 3));
  ParameterList<float> all;
  all.add("w", w);
  nn::Snapshots<float> snapshots;
  snapshots.add(all);
  CHECK_THROWS_AS(snapshots.restore(-1, all), OptionError);
}
