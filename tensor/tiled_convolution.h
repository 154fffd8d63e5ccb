// Private to tensor/: convolutions of floats by our own product loops. The columns that im2col
// would write for a whole image are made for a tile of the result at a time, in the order in which
// the product reads them, and stay in the cache. There must be images, pixels and filters.
#pragma once

#include "tensor/convolution.h"

namespace tapegrad::kernels::tiled {

void convolve(const ProductLoops& loops, const Convolution& conv, const float* x, const float* w,
              const float* b, float* y);

/// Whether x_vjp can do it: the gradient is itself a convolution of that kind.
bool has_x_vjp(const Windows& windows);
void x_vjp(const ProductLoops& loops, const Convolution& conv, const float* dy, const float* w,
           float* dx, bool fresh);

void w_vjp(const ProductLoops& loops, const Convolution& conv, const float* dy, const float* x,
           float* dw, bool fresh);

}  // namespace tapegrad::kernels::tiled
