#include "tensor/instruction_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "tensor/error.h"

namespace tapegrad::kernels {
namespace {

InstructionSet best_of_processor() {
#ifdef TAPEGRAD_MULTIVERSION
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd")) {
    return InstructionSet::v4;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    return InstructionSet::v3;
  }
#endif
  return InstructionSet::baseline;
}

InstructionSet named(std::string_view name) {
  if (name == "baseline") return InstructionSet::baseline;
  if (name == "v3") return InstructionSet::v3;
  if (name == "v4") return InstructionSet::v4;
  throw OptionError(fmt::format(
      "TAPEGRAD_INSTRUCTION_SET={}: must be baseline, v3 (AVX2) or v4 (AVX-512); unset it for the "
      "best that the processor has",
      name));
}

}  // namespace

InstructionSet limited(InstructionSet best, const char* limit) {
  const bool none = limit == nullptr || *limit == '\0';
  return none ? best : std::min(best, named(limit));
}

InstructionSet best_instruction_set() {
  static const InstructionSet best =
      limited(best_of_processor(), std::getenv("TAPEGRAD_INSTRUCTION_SET"));
  return best;
}

}  // namespace tapegrad::kernels
