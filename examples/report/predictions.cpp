#include "examples/report/predictions.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/cifar10.h"
#include "examples/report/charts.h"
#include "examples/report/images.h"

namespace tapegrad::report {
namespace {

Tile tile(const data::ImageSet& images, Index i, std::vector<std::string> caption) {
  const auto bytes = images.image(i);
  return {{bytes.begin(), bytes.end()}, std::move(caption)};
}

std::string class_name(std::int32_t label) {
  return std::string(data::cifar10_classes[static_cast<std::size_t>(label)]);
}

void describe(Picture& to, const char* alt) {
  if (to.alt.empty()) to.alt = alt;
}

}  // namespace

Picture labelled_images(Picture to, const data::ImageSet& images, Index count) {
  describe(to, "Images with their classes");
  std::vector<Tile> tiles;
  for (Index i = 0; i < std::min(count, images.size()); ++i) {
    tiles.push_back(tile(images, i, {class_name(images.labels[static_cast<std::size_t>(i)])}));
  }
  return image_grid(std::move(to), tiles, 10);
}

Picture surest_mistakes(Picture to, const data::ImageSet& images,
                        const examples::Predictions& predictions, Index count) {
  describe(to, "Images that were classified wrongly with high probability");
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    if (predictions.classes[i] != images.labels[i]) wrong.push_back(i);
  }
  std::stable_sort(wrong.begin(), wrong.end(), [&](std::size_t a, std::size_t b) {
    return predictions.probabilities[a] > predictions.probabilities[b];
  });
  wrong.resize(std::min(wrong.size(), static_cast<std::size_t>(count)));
  std::vector<Tile> tiles;
  for (const std::size_t i : wrong) {
    tiles.push_back(tile(images, static_cast<Index>(i),
                         {class_name(images.labels[i]),
                          fmt::format("→ {} {:.2f}", class_name(predictions.classes[i]),
                                      predictions.probabilities[i])}));
  }
  return image_grid(std::move(to), tiles, 8);
}

Picture confusion(Picture to, const data::ImageSet& images,
                  const examples::Predictions& predictions) {
  describe(to, "How often each class was taken for each other");
  constexpr std::size_t classes = data::cifar10_classes.size();
  std::vector<std::int64_t> counts(classes * classes);
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    ++counts[static_cast<std::size_t>(images.labels[i]) * classes +
             static_cast<std::size_t>(predictions.classes[i])];
  }
  return confusion_matrix(std::move(to), counts, data::cifar10_classes);
}

Picture true_probabilities(Picture to, const data::ImageSet& images,
                           const examples::Predictions& predictions) {
  describe(to, "Histograms of the true class's probability");
  std::vector<Sample> samples{{"classified right", {}}, {"classified wrong", {}}};
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    const bool right = predictions.classes[i] == images.labels[i];
    samples[right ? 0 : 1].values.push_back(predictions.true_probabilities[i]);
  }
  std::erase_if(samples, [](const Sample& s) { return s.values.empty(); });
  return histograms(std::move(to), {.label = "probability of the true class", .low = 0, .high = 1},
                    "images", samples, 40);
}

}  // namespace tapegrad::report
