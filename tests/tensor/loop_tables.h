// The loops of every instruction set that this processor has.
#pragma once

#include <vector>

#include "tensor/instruction_set.h"
#include "tensor/loops.h"

namespace tapegrad::test {

template <class T>
struct LoopTables {
  const kernels::Loops<T>* loops;
  const kernels::TrainingLoops<T>* training;
};

template <class T>
std::vector<LoopTables<T>> every_table() {
  using namespace kernels;
  std::vector<LoopTables<T>> tables = {{&baseline::loops<T>(), &baseline::training_loops<T>()}};
#ifdef TAPEGRAD_MULTIVERSION
  if (best_instruction_set() >= InstructionSet::v3) {
    tables.push_back({&v3::loops<T>(), &v3::training_loops<T>()});
  }
  if (best_instruction_set() >= InstructionSet::v4) {
    tables.push_back({&v4::loops<T>(), &v4::training_loops<T>()});
  }
#endif
  return tables;
}

}  // namespace tapegrad::test
