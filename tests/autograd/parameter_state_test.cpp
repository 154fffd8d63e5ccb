#include "autograd/parameter_state.h"

#include "tensor/error.h"
#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("parameter state: whole numbers are no parameter") {
  Parameter<float> w(Tensor<float>({1}, 3));
  ParameterList<float> all;
  all.add("w", w);
  Safetensors file;
  const std::int64_t one[] = {1};
  file.add_integers("w", one);
  CHECK_THROWS_WITH(restore_parameters(file, "f", all),
                    "f: parameter `w` is stored as I64, but must be F32 or F64");
}
