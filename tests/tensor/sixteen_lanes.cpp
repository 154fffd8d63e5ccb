#include "tests/tensor/sixteen_lanes.h"

#include "tensor/loops_products.h"

namespace tapegrad::test {

const kernels::ProductLoops* products_of_sixteen_lanes() {
  return &kernels::TAPEGRAD_ISA::product_table;
}

}  // namespace tapegrad::test
