// ThreadSanitizer must notice this: two threads write one parameter.
#include <thread>

#include "autograd/parameter.h"

int main() {
  tapegrad::Parameter<float> shared(tapegrad::Tensor<float>(tapegrad::Shape{1}));
  const auto add = [&] {
    for (int i = 0; i < 1000; ++i) shared.write()[0] += 1;
  };
  const std::jthread first(add), second(add);
  return 0;
}
