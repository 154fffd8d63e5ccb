// Differentiates x^2 at 3 with the installed library: 0 when the derivative is 6.
#include <tapegrad.h>

int main() {
  const tapegrad::Tensor<double> three({1}, 3.0);
  tapegrad::Tape<double> tape;
  const auto x = tape.variable(three);
  tape.backward(sum(x * x));
  const double derivative = tape.gradient(x)[0];
  fmt::print("d x^2 / dx at 3 = {}\n", derivative);
  return derivative == 6 ? 0 : 1;
}
