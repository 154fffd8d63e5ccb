#include "autograd/parameter.h"

#include <fmt/format.h>

#include "tensor/error.h"

namespace tapegrad {

template <Scalar T>
View<const T> Parameter<T>::gradient() const {
  if (!has_gradient_) {
    throw GradError(fmt::format(
        "parameter of shape {} has no gradient: no tape that recorded it has come to the "
        "end of backward(loss)",
        to_string(shape())));
  }
  if (factored_) {
    throw GradError(
        fmt::format("the gradient of a parameter of shape {} was not written, since minimize moves "
                    "weights without; to look at it, call tape.backward(loss) and step()",
                    to_string(shape())));
  }
  return gradient_;
}

template class Parameter<float>;
template class Parameter<double>;
template class Parameter<Dual>;

}  // namespace tapegrad
