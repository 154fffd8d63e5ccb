#include "data/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace tapegrad::data {
namespace {

std::string_view bytes_of(const ImageSet& images, Index i) {
  const auto image = images.image(i);
  return {reinterpret_cast<const char*>(image.data()), image.size()};
}

void check_overlap(const ImageSet& a, const char* a_name, const ImageSet& b, const char* b_name,
                   std::vector<std::string>& findings) {
  const Index shared = shared_images(a, b);
  if (shared * 1000 <= b.size()) return;
  findings.push_back(
      fmt::format("{} of {} {} images are also {} images: accuracy on them says nothing about new "
                  "images",
                  shared, b.size(), b_name, a_name));
}

}  // namespace

Index shared_images(const ImageSet& a, const ImageSet& b) {
  if (a.features != b.features) return 0;
  std::unordered_set<std::string_view> in_b;
  for (Index i = 0; i < b.size(); ++i) in_b.insert(bytes_of(b, i));
  std::unordered_set<std::string_view> in_both;
  for (Index i = 0; i < a.size(); ++i) {
    if (const auto found = in_b.find(bytes_of(a, i)); found != in_b.end()) in_both.insert(*found);
  }
  Index shared = 0;
  for (Index i = 0; i < b.size(); ++i) shared += in_both.contains(bytes_of(b, i));
  return shared;
}

bool fitted_on(const Standardizer& standardizer, const ImageSet& images, Scope scope) {
  const Standardizer own = Standardizer::fit(images, scope);
  return std::ranges::equal(own.mean(), standardizer.mean()) &&
         std::ranges::equal(own.std(), standardizer.std());
}

std::vector<std::string> lint(const ImageSet& train, const ImageSet& validation,
                              const ImageSet& test, const Standardizer& standardizer, Scope scope) {
  std::vector<std::string> findings;
  check_overlap(train, "training", validation, "validation", findings);
  check_overlap(train, "training", test, "test", findings);
  check_overlap(validation, "validation", test, "test", findings);
  if (scope != Scope::none && !fitted_on(standardizer, train, scope)) {
    findings.emplace_back(
        "the standardizer's mean and std are not those of the training images alone: what is "
        "measured on other images must not enter them");
  }
  return findings;
}

}  // namespace tapegrad::data
