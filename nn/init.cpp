#include "nn/init.h"

#include <cmath>

namespace tapegrad::nn {

Init normal(double std) {
  return [std](Index, Index) { return std; };
}

Init lecun() {
  return [](Index in, Index) { return std::sqrt(1.0 / static_cast<double>(in)); };
}

Init he() {
  return [](Index in, Index) { return std::sqrt(2.0 / static_cast<double>(in)); };
}

Init xavier() {
  return [](Index in, Index out) { return std::sqrt(2.0 / static_cast<double>(in + out)); };
}

}  // namespace tapegrad::nn
