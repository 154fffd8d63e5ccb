// Our own product loops of every instruction set, and how many threads share products.
#pragma once

#include <vector>

#include "tensor/instruction_set.h"
#include "tensor/kernels.h"
#include "tensor/products.h"
#include "tensor/runtime.h"
#include "tests/tensor/sixteen_lanes.h"

namespace tapegrad::test {

struct ProductTable {
  const char* name;
  const kernels::ProductLoops* loops;
};

// Of every instruction set that has them and that this processor runs.
inline std::vector<ProductTable> every_product_table() {
  std::vector<ProductTable> tables;
#ifdef TAPEGRAD_MULTIVERSION
  using kernels::InstructionSet;
  if (kernels::best_instruction_set() >= InstructionSet::v3) {
    tables.push_back({"v3", kernels::v3::product_loops()});
    tables.push_back({"sixteen lanes", products_of_sixteen_lanes()});
  }
  if (kernels::best_instruction_set() >= InstructionSet::v4) {
    tables.push_back({"v4", kernels::v4::product_loops()});
  }
#endif
  return tables;
}

// Puts the number of threads back when a test ends.
struct Threads {
  explicit Threads(int count) { set_threads(count); }
  ~Threads() { set_threads(1); }
};

}  // namespace tapegrad::test
