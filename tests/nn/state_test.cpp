#include "nn/state.h"

#include <cstring>

#include "nn/activations.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/error.h"
#include "tensor/file.h"
#include "tensor/safetensors.h"
#include "tests/catch.h"
#include "tests/data/temporary_folder.h"

using namespace tapegrad;
using Catch::Matchers::Message;

namespace {

template <Scalar T>
struct Net {
  explicit Net(std::uint64_t seed, Index hidden = 4) {
    Rng rng(seed);
    layers.template add<nn::Linear<T>>(3, hidden, rng);
    layers.template add<nn::Relu<T>>();
    layers.template add<nn::Linear<T>>(hidden, 2, rng);
    for (const auto& p : layers.parameters()) {
      for (T& number : p.parameter->write()) number += T(0.125);  // biases too
    }
  }

  /// All numbers of all parameters.
  std::vector<T> numbers() {
    std::vector<T> all;
    for (const auto& p : layers.parameters()) {
      all.insert(all.end(), p.parameter->value().begin(), p.parameter->value().end());
    }
    return all;
  }

  nn::Sequential<T> layers;
};

}  // namespace

TEST_CASE("state: what was saved is loaded bit for bit, and saved again it is the same file") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "net.safetensors";
  Net<double> net(1);
  Net<double> other(2);
  nn::save_parameters(path, net.layers.parameters());
  nn::load_parameters(path, other.layers.parameters());
  CHECK(std::memcmp(net.numbers().data(), other.numbers().data(),
                    net.numbers().size() * sizeof(double)) == 0);
  nn::save_parameters(folder.path() / "again", other.layers.parameters());
  CHECK(read_file(path) == read_file(folder.path() / "again"));
}

TEST_CASE("state: the file holds every parameter under its name") {
  const test::TemporaryFolder folder;
  Net<float> net(1);
  nn::save_parameters(folder.path() / "net", net.layers.parameters());
  const auto file = read_safetensors(folder.path() / "net");
  REQUIRE(file.tensors.size() == 4);
  CHECK(file.at("0.weight").dtype == "F32");
  CHECK(file.at("0.weight").shape == Shape{4, 3});
  CHECK(file.at("2.bias").as<float>() ==
        Tensor<float>(net.layers.parameters().at("2.bias").value()));
}

TEST_CASE("state: parameters go into a file beside other things and come back") {
  Safetensors file;
  file.metadata["lambda"] = "0.01";
  Net<double> net(1);
  Net<double> other(2);
  nn::store_parameters(file, net.layers.parameters());
  CHECK(file.metadata.at("lambda") == "0.01");
  CHECK(file.tensors.size() == 4);
  nn::restore_parameters(file, "a file", other.layers.parameters());
  CHECK(other.numbers() == net.numbers());
  file.tensors.erase("0.bias");
  CHECK_THROWS_MATCHES(nn::restore_parameters(file, "a file", other.layers.parameters()),
                       FormatError,
                       Message("a file: parameter `0.bias` [4] is not in the file, which has: "
                               "0.weight, 2.bias, 2.weight"));
}

TEST_CASE("state: float and double load into each other") {
  const test::TemporaryFolder folder;
  Net<float> single(1);
  Net<double> full(2);
  nn::save_parameters(folder.path() / "single", single.layers.parameters());
  nn::load_parameters(folder.path() / "single", full.layers.parameters());
  const auto floats = single.numbers();
  const auto doubles = full.numbers();
  for (std::size_t i = 0; i < floats.size(); ++i) CHECK(doubles[i] == double{floats[i]});

  Net<double> third(3);
  nn::save_parameters(folder.path() / "full", third.layers.parameters());
  nn::load_parameters(folder.path() / "full", single.layers.parameters());
  const auto rounded = single.numbers();
  const auto exact = third.numbers();
  for (std::size_t i = 0; i < exact.size(); ++i) CHECK(rounded[i] == static_cast<float>(exact[i]));
}

TEST_CASE("state: loading counts as writing the parameters") {
  const test::TemporaryFolder folder;
  Net<double> net(1);
  nn::save_parameters(folder.path() / "net", net.layers.parameters());
  const Tensor<double> x({1, 3}, 1);
  Tape<double> tape;
  const auto loss = sum(net.layers(tape.constant(x)));
  nn::load_parameters(folder.path() / "net", net.layers.parameters());
  CHECK_THROWS_AS(tape.backward(loss), GradError);
}

TEST_CASE("state: a file that does not match is refused and nothing changes") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "net";
  Net<double> saved(1);
  Net<double> net(2);
  const auto before = net.numbers();
  nn::save_parameters(path, saved.layers.parameters());
  auto file = read_safetensors(path);
  const auto refused = [&](const Safetensors& changed, const std::string& text) {
    write_safetensors(path, changed);
    CHECK_THROWS_MATCHES(nn::load_parameters(path, net.layers.parameters()), FormatError,
                         Message(path.string() + ": " + text));
    CHECK(net.numbers() == before);
  };

  Safetensors missing = file;
  missing.tensors.erase("2.bias");
  refused(missing,
          "parameter `2.bias` [2] is not in the file, which has: 0.bias, 0.weight, 2.weight");

  Safetensors left_over = file;
  left_over.add<double>("4.weight", Tensor<double>({5, 2}));
  refused(left_over, "`4.weight` [5, 2] is in the file but not in the model");

  Safetensors other_shape = file;
  other_shape.add<double>("2.weight", Tensor<double>({2, 5}));
  refused(other_shape, "parameter `2.weight` is [2, 5] in the file but [2, 4] in the model");

  Safetensors transposed = file;
  transposed.add<double>("2.weight", Tensor<double>({4, 2}));
  refused(transposed, "parameter `2.weight` is [4, 2] in the file but [2, 4] in the model");

  Safetensors other_type = file;
  other_type.tensors["2.bias"] = {"I64", {2}, std::vector<std::byte>(16)};
  write_safetensors(path, other_type);
  CHECK_THROWS_AS(nn::load_parameters(path, net.layers.parameters()), FormatError);
  CHECK(net.numbers() == before);
}

TEST_CASE("state: a file that is not there or not one is refused") {
  const test::TemporaryFolder folder;
  Net<double> net(1);
  CHECK_THROWS_AS(nn::load_parameters(folder.path() / "none", net.layers.parameters()), FileError);
  CHECK_THROWS_AS(nn::save_parameters(folder.path() / "no" / "folder", net.layers.parameters()),
                  FileError);
  write_file(folder.path() / "text", std::string_view("hello"));
  CHECK_THROWS_AS(nn::load_parameters(folder.path() / "text", net.layers.parameters()),
                  FormatError);
}

TEST_CASE("copy_values: copies by name between scalar types") {
  Net<double> from(1);
  Net<float> to(2);
  copy_values(from.layers.parameters(), to.layers.parameters());
  const auto exact = from.numbers();
  const auto rounded = to.numbers();
  for (std::size_t i = 0; i < exact.size(); ++i) CHECK(rounded[i] == static_cast<float>(exact[i]));

  Net<float> twin(3);
  copy_values(to.layers.parameters(), twin.layers.parameters());
  CHECK(twin.numbers() == to.numbers());
}

TEST_CASE("copy_values: names and not places decide") {
  Parameter<double> a(Tensor<double>({2}, 1));
  Parameter<double> b(Tensor<double>({2}, 2));
  Parameter<double> c(Tensor<double>({2}, 0));
  Parameter<double> d(Tensor<double>({2}, 0));
  ParameterList<double> from;
  from.add("a", a).add("b", b);
  ParameterList<double> to;
  to.add("b", c).add("a", d);
  copy_values(from, to);
  CHECK(c.value()[0] == 2);
  CHECK(d.value()[0] == 1);
}

TEST_CASE("copy_values: lists that do not match are refused and nothing changes") {
  Net<double> from(1, 4);
  Net<double> wider(2, 5);
  const auto before = wider.numbers();
  CHECK_THROWS_MATCHES(
      copy_values(from.layers.parameters(), wider.layers.parameters()), FormatError,
      Message(
          "copy_values: parameter `0.weight` is [4, 3] in the source but [5, 3] in the target"));
  CHECK(wider.numbers() == before);

  Parameter<double> a(Tensor<double>({2}, 1));
  Parameter<double> b(Tensor<double>({2}, 2));
  Parameter<double> target(Tensor<double>({2}, 0));
  ParameterList<double> one;
  one.add("a", a);
  ParameterList<double> two;
  two.add("a", a).add("b", b);
  ParameterList<double> to;
  to.add("a", target);
  CHECK_THROWS_AS(copy_values(two, to), FormatError);  // b is left over
  CHECK(target.value()[0] == 0);
  CHECK_THROWS_AS(copy_values(one, two), FormatError);  // b is missing
  ParameterList<double> renamed;
  renamed.add("other", target);
  CHECK_THROWS_AS(copy_values(one, renamed), FormatError);
  CHECK(target.value()[0] == 0);
}
