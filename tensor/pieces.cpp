#include "tensor/pieces.h"

#include "tensor/runtime.h"

namespace tapegrad {

ThreadPool& kernels::working_threads() {
  static ThreadPool pool;
  return pool;
}

void set_threads(int count) { kernels::working_threads().set_threads(count); }

int threads() { return kernels::working_threads().threads(); }

}  // namespace tapegrad
