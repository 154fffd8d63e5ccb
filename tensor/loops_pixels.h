// Private to tensor/loops.cpp: images' bytes as numbers. Internal to the instruction set's
// namespace, as loops_functions.h is.
#pragma once

#include "tensor/loops.h"
#include "tensor/loops_vectors.h"

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

constexpr Index images_together = 4;
constexpr Index cache_line = 64;

// Features [first, last) of out [count, n] = image * scale + shift, for so many images.
template <class T>
inline void decode_features(Index first, Index last, Index count, Index n,
                            const std::uint8_t* const* images, const T* scale, const T* shift,
                            T* __restrict out) {
  for (Index r = 0; r < count; ++r) {
    const std::uint8_t* image = images[r];
    T* __restrict row = out + r * n;
    for (Index i = first; i < last; ++i) row[i] = static_cast<T>(image[i]) * scale[i] + shift[i];
  }
}

#if defined(__AVX2__) && defined(__FMA__)
inline Lanes widened(const std::uint8_t* from) {
#if defined(__AVX512F__)
  // zeroed, or g++ 12 warns of lanes without a value; the mask says that none are
  constexpr __mmask16 every = 0xffff;
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm512_maskz_cvtepi32_ps(every, _mm512_maskz_cvtepu8_epi32(every, bytes));
#else
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
#endif
}

// A vector of bytes becomes numbers in one step, where the compiler's own loop takes several, and
// the images share the loads of scale and shift.
inline void decode_features_of_four(Index first, Index last, Index n,
                                    const std::uint8_t* const* images, const float* scale,
                                    const float* shift, float* __restrict out) {
  const std::uint8_t* const image[] = {images[0], images[1], images[2], images[3]};
  Index i = first;
  for (; i + lanes <= last; i += lanes) {
    const Lanes factor = load(scale + i), term = load(shift + i);
    for (Index r = 0; r < images_together; ++r) {
      store(widened(image[r] + i) * factor + term, out + r * n + i);
    }
  }
  decode_features(i, last, images_together, n, images, scale, shift, out);
}
#endif

template <class T>
inline void decode_features_of_four(Index first, Index last, Index n,
                                    const std::uint8_t* const* images, const T* scale,
                                    const T* shift, T* __restrict out) {
  decode_features(first, last, images_together, n, images, scale, shift, out);
}

// Four images at a time. A batch's images lie anywhere in memory, so the next four are asked for
// meanwhile, line by line.
template <class T>
void decode(Index count, Index n, const std::uint8_t* const* images, const T* scale, const T* shift,
            T* out) {
  Index r = 0;
  for (; r + images_together <= count; r += images_together) {
    const Index ahead = r + 2 * images_together <= count ? images_together : 0;
    for (Index i = 0; i < n; i += cache_line) {
      for (Index k = 0; k < images_together; ++k) __builtin_prefetch(images[r + ahead + k] + i);
      const Index last = i + cache_line < n ? i + cache_line : n;
      decode_features_of_four(i, last, n, images + r, scale, shift, out + r * n);
    }
  }
  decode_features(Index{0}, n, count - r, n, images + r, scale, shift, out + r * n);
}

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
