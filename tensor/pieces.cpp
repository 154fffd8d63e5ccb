#include "tensor/pieces.h"

#include "tensor/kernels.h"

namespace tapegrad::kernels {

ThreadPool& working_threads() {
  static ThreadPool pool;
  return pool;
}

void set_threads(int count) { working_threads().set_threads(count); }

int threads() { return working_threads().threads(); }

}  // namespace tapegrad::kernels
