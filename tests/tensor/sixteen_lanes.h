// Our own products as they are at AVX-512, each vector in two halves: for processors with AVX2. No
// header with inline functions is included, as in tensor/loops.cpp.
#pragma once

#include "tensor/loops.h"

namespace tapegrad::test {

const kernels::ProductLoops* products_of_sixteen_lanes();

}  // namespace tapegrad::test
