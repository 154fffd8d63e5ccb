// Which of the instruction sets that the loops are compiled for is used.
#pragma once

#include <cstdint>

namespace tapegrad::kernels {

/// Levels of x86-64: v3 has AVX2, v4 AVX-512. Elsewhere there is the baseline alone.
enum class InstructionSet : std::uint8_t { baseline, v3, v4 };

/// The best that this processor runs, at most the one that TAPEGRAD_INSTRUCTION_SET names in the
/// environment: "baseline", "v3" or "v4". Throws OptionError when it names another.
InstructionSet best_instruction_set();

/// `best`, or what `limit` names if that is less (null or empty: no limit). Throws OptionError when
/// it names none.
InstructionSet limited(InstructionSet best, const char* limit);

}  // namespace tapegrad::kernels
