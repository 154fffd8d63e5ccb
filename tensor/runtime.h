// What computes: how many threads, and which kernels on this processor.
#pragma once

#include <string>

namespace tapegrad {

/// How many threads share a matrix product, a convolution, an update of many parameters or the
/// gathering of a batch, the calling one among them; 1 unless this is called. Results have the same
/// bits for any number. Throws OptionError for count < 1. OpenBLAS itself runs on one thread,
/// whatever OPENBLAS_NUM_THREADS says: it would give other bits on more.
void set_threads(int count);
int threads();

/// The kernels OpenBLAS chose for this processor ("Haswell", "SkylakeX", ...).
const char* blas_core();

/// "loops v4, own products, OpenBLAS 0.3.21 SkylakeX, 1 thread": what computes here.
std::string build_info();

/// What to tell the user when OPENBLAS_CORETYPE in the environment holds OpenBLAS to kernels below
/// what this processor can do; else empty.
std::string blas_warning();

}  // namespace tapegrad
