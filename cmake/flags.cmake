# What every target of this project is compiled with.
add_library(tapegrad_flags INTERFACE)
target_compile_options(tapegrad_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -ffp-contract=off)                # the same bits from every compiler and instruction set
if(TAPEGRAD_SANITIZE)
  target_compile_options(tapegrad_flags INTERFACE
    -fsanitize=${TAPEGRAD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tapegrad_flags INTERFACE -fsanitize=${TAPEGRAD_SANITIZE})
  # GCC's warning misfires inside instrumented library headers (std::function, std::regex).
  target_compile_options(tapegrad_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
