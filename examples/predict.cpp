// Classifies CIFAR-10's test images, or one picture, with weights that a training program saved.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/cifar10.h"
#include "examples/support/command_line.h"
#include "examples/support/dataset.h"
#include "examples/support/evaluator.h"
#include "examples/support/image_file.h"
#include "examples/support/print.h"
#include "nn/activations.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "nn/state.h"
#include "tensor/error.h"
#include "tensor/file.h"

using namespace tapegrad;
using namespace tapegrad::examples;

namespace {

struct Options {
  std::string weights = "runs/assignment2/weights.safetensors";
  std::string image;
  DatasetOptions data;
};

struct Model {
  explicit Model(data::Standardizer fitted) : standardizer(std::move(fitted)) {}

  nn::Sequential<float> net;
  data::Standardizer standardizer;
};

std::vector<double> take(Safetensors& file, const std::string& name) {
  const Tensor<double> values = file.at(name).as<double>();
  file.tensors.erase(name);
  return {values.begin(), values.end()};
}

// The sizes of a linear layer, told by its weights.
struct LayerSize {
  Index in;
  Index out;
};

LayerSize layer_size(const Safetensors& file, const std::string& name) {
  const Shape& shape = file.at(name + ".weight").shape;
  if (shape.rank() != 2) {
    throw FormatError(fmt::format("{}.weight is {}, not a matrix", name, to_string(shape)));
  }
  return {shape[1], shape[0]};
}

// A network of one layer, "0", or of two, "0" and "2", with a ReLU between; "3" where dropout,
// which only training has, came behind it.
std::unique_ptr<Model> build_model(Safetensors& file) {
  auto mean = take(file, "standardizer.mean");
  auto std = take(file, "standardizer.std");
  auto model = std::make_unique<Model>(data::Standardizer(std::move(mean), std::move(std)));
  const LayerSize first = layer_size(file, "0");
  const bool dropout = file.tensors.contains("3.weight");
  const bool two_layers = dropout || file.tensors.contains("2.weight");
  const LayerSize last = two_layers ? layer_size(file, dropout ? "3" : "2") : first;
  const auto classes = std::ssize(data::cifar10_classes);
  if (first.in != model->standardizer.features() || last.out != classes) {
    throw FormatError(
        fmt::format("the network takes {} numbers and gives {}, but images have {} and "
                    "there are {} classes",
                    first.in, last.out, model->standardizer.features(), classes));
  }
  Rng unused(0);
  model->net.add<nn::Linear<float>>(first.in, first.out, unused);
  if (two_layers) {
    model->net.add<nn::Relu<float>>();
    if (dropout) model->net.add<nn::Dropout<float>>(0.0, unused);
    model->net.add<nn::Linear<float>>(last.in, last.out, unused);
  }
  return model;
}

std::unique_ptr<Model> load_model(const std::string& path) {
  if (!may_exist(path)) {
    throw FileError(fmt::format(
        "there is no {}: train with assignment1 or assignment2 first, or give its --weights",
        path));
  }
  Safetensors file = read_safetensors(path);
  std::unique_ptr<Model> model;
  try {
    model = build_model(file);
  } catch (const Error& error) {
    throw FormatError(
        fmt::format("{}: not a model of assignment1 or assignment2: {}", path, error.what()));
  }
  nn::restore_parameters(file, path, model->net.parameters());
  return model;
}

void require_finite(double output) {
  if (std::isfinite(output)) return;
  throw DataError("the network's output is not finite: its weights are damaged");
}

void classify_picture(Model& model, const std::string& path) {
  const std::vector<std::uint8_t> bytes = to_cifar10_bytes(read_image(path));
  Tensor<float> x({1, model.standardizer.features()});
  model.standardizer.apply<float>(bytes, x.span());
  NoGrad<float> tape;
  const View<const float> p = softmax(model.net(tape.constant(x))).value();

  require_finite(p[0]);

  std::vector<std::size_t> order(data::cifar10_classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return p.data()[a] > p.data()[b]; });
  for (const std::size_t c : order) {
    print("{:<12}{:>7.4f}\n", data::cifar10_classes[c], p.data()[c]);
  }
}

void classify_test_set(Model& model, const DatasetOptions& options) {
  const TestSet test = load_test_set(options);
  const optim::Scores scores = Evaluator<float>(model.net, model.standardizer)(test.images);
  require_finite(scores.loss);
  print("{}\n{} test images: cross-entropy {:.4f}, accuracy {:.4f}\n", test.source,
        test.images.size(), scores.loss, scores.accuracy);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CommandLine command_line("predict",
                           "Classifies the test images, or one picture, with a trained network.");
  command_line
      .text("--weights", options.weights, "weights.safetensors of assignment1 or assignment2")
      .text("--data", options.data.folder,
            "Folder with the binary CIFAR-10 files (for test images)")
      .flag("--synthetic", options.data.synthetic, "Use the built-in synthetic test images")
      .argument("image", options.image, false,
                "A 32 x 32 picture, PNG or PPM, to classify instead of the test images");
  return command_line.run(argc, argv, [&] {
    const auto model = load_model(options.weights);
    if (options.image.empty()) {
      classify_test_set(*model, options.data);
    } else {
      classify_picture(*model, options.image);
    }
    return 0;
  });
}
