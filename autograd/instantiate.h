// Private to the ops' .cpp files: repeats a list of explicit instantiations for every scalar type.
#pragma once

#define TAPEGRAD_FOR_EACH_SCALAR(LIST) \
  LIST(float)                          \
  LIST(double)                         \
  LIST(Dual)
