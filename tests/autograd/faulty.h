// A planted fault in a gradient.
#pragma once

#include <algorithm>

#include "autograd/ops.h"

namespace tapegrad::test {

/// One gradient entry that is wrong by a factor 1 + relative.
struct Fault {
  Index place = -1;  // -1: none
  double relative = 0;
};

/// y = x, with dx = dy but for the fault.
template <Scalar T>
Var<T> faulty(Var<T> x, Fault fault) {
  auto y = x.tape().record("faulty", x.shape(), {x});
  std::copy(x.value().begin(), x.value().end(), y.out().begin());
  return y.vjp([=](View<const T> dy) {
    const Grad<T> dx = x.grad();
    for (Index i = 0; i < dy.size(); ++i) {
      const T given = dy[i] * (i == fault.place ? 1 + fault.relative : 1);
      dx.to[i] = (dx.fresh ? T(0) : dx.to[i]) + given;
    }
  });
}

}  // namespace tapegrad::test
