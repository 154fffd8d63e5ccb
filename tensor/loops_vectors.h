// Private to tensor/loops.cpp: vectors of floats for matrix products and pixels, and what these
// share. Internal to the instruction set's namespace, as loops_functions.h is; empty where there is
// no fused multiply-add.
#pragma once

#include "tensor/loops.h"

#if defined(__FMA__)
#include <immintrin.h>
#include <string.h>

namespace tapegrad::kernels::TAPEGRAD_ISA {
namespace {

// Under -ffp-contract=off no operator is a fused multiply-add. There are 32 registers of 16
// numbers, or 16 of 8. `unrolled` is how many turns of a loop of multiply-adds become one: what
// else a turn does, counting and jumping, takes their places when another thread runs on the same
// core.

typedef float Four __attribute__((vector_size(16)));
typedef float Eight __attribute__((vector_size(32)));

inline Four halves(Eight v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
}

#if defined(__AVX512F__) || defined(TAPEGRAD_SIXTEEN_LANES)
constexpr Index lanes = 16;
constexpr int unrolled = 2;
typedef float Lanes __attribute__((vector_size(64)));

inline Eight lower(Lanes v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7); }
inline Eight upper(Lanes v) { return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15); }
inline Four quarters(Lanes v) { return halves(lower(v) + upper(v)); }
#else
constexpr Index lanes = 8;
constexpr int unrolled = 8;
typedef Eight Lanes;

inline Four quarters(Lanes v) { return halves(v); }
#endif

// One number in all lanes, and a * b + c rounded once.
#if defined(__AVX512F__)
inline Lanes all(float x) { return _mm512_set1_ps(x); }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(TAPEGRAD_SIXTEEN_LANES)
// As tests do it, whichever processor they run on.
inline Lanes joined(Eight low, Eight high) {
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
inline Lanes all(float x) { return joined(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
inline Lanes fused(Lanes a, Lanes b, Lanes c) {
  return joined(_mm256_fmadd_ps(lower(a), lower(b), lower(c)),
                _mm256_fmadd_ps(upper(a), upper(b), upper(c)));
}
#else
inline Lanes all(float x) { return _mm256_set1_ps(x); }
inline Lanes fused(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
#endif

inline Lanes load(const float* from) {
  Lanes v;
  memcpy(&v, from, sizeof v);
  return v;
}

inline Eight load_eight(const float* from) {
  Eight v;
  memcpy(&v, from, sizeof v);
  return v;
}

inline void store(Lanes v, float* to) { memcpy(to, &v, sizeof v); }

inline Index smaller(Index a, Index b) { return a < b ? a : b; }

}  // namespace
}  // namespace tapegrad::kernels::TAPEGRAD_ISA
#endif
