# The library: every .cpp of the four folders; the loops once per instruction set.
set(BLA_VENDOR OpenBLAS)
find_package(BLAS REQUIRED)
find_package(fmt 9 REQUIRED CONFIG)
find_package(nlohmann_json 3.11 REQUIRED CONFIG)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_path(RANDOM123_INCLUDE_DIR NAMES Random123/philox.h REQUIRED)

file(GLOB library_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
     tensor/*.cpp autograd/*.cpp nn/*.cpp optim/*.cpp data/*.cpp)
file(GLOB library_headers CONFIGURE_DEPENDS
     tapegrad.h tensor/*.h autograd/*.h nn/*.h optim/*.h data/*.h)
list(REMOVE_ITEM library_sources tensor/loops.cpp)

add_library(tapegrad ${library_sources})
add_library(tapegrad::tapegrad ALIAS tapegrad)
target_sources(tapegrad PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${library_headers})
target_compile_features(tapegrad PUBLIC cxx_std_20)
target_link_libraries(tapegrad PUBLIC fmt::fmt PRIVATE BLAS::BLAS OpenSSL::Crypto $<BUILD_INTERFACE:tapegrad_flags>
                      $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
target_include_directories(tapegrad SYSTEM PRIVATE ${RANDOM123_INCLUDE_DIR})
set_target_properties(tapegrad PROPERTIES POSITION_INDEPENDENT_CODE ON)
# In Debug too the library is optimised a little, so that sanitised tests train at a bearable speed;
# not the one file full of JSON templates, which takes twice as long to compile then.
target_compile_options(tapegrad PRIVATE $<$<CONFIG:Debug>:-O1>)
set_source_files_properties(tensor/safetensors_header.cpp PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Debug>:-O0>)

# The loops, compiled for one instruction set: its namespace and the compiler's flags. GCC would zero a
# block's sums, which belong in registers, by an instruction for large memory.
function(tapegrad_add_loops isa source)
  add_library(tapegrad_loops_${isa} OBJECT ${source})
  target_include_directories(tapegrad_loops_${isa} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(tapegrad_loops_${isa} PRIVATE tapegrad_flags)
  target_compile_definitions(tapegrad_loops_${isa} PRIVATE TAPEGRAD_ISA=${isa})
  target_compile_options(tapegrad_loops_${isa} PRIVATE -fno-math-errno -fno-trapping-math
    $<$<CONFIG:Release,RelWithDebInfo>:-O3> $<$<CONFIG:Debug>:-O1>
    $<$<CXX_COMPILER_ID:Clang>:-fveclib=libmvec>
    $<$<CXX_COMPILER_ID:GNU>:-fno-tree-loop-distribute-patterns> ${ARGN})
  set_target_properties(tapegrad_loops_${isa} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

function(tapegrad_add_library_loops isa)
  tapegrad_add_loops(${isa} tensor/loops.cpp ${ARGN})
  target_sources(tapegrad PRIVATE $<TARGET_OBJECTS:tapegrad_loops_${isa}>)
endfunction()

tapegrad_add_library_loops(baseline -DTAPEGRAD_DUAL_LOOPS)
if(TAPEGRAD_MULTIVERSION AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  tapegrad_add_library_loops(v3 -march=x86-64-v3)
  tapegrad_add_library_loops(v4 -march=x86-64-v4 -mprefer-vector-width=512)
  target_compile_definitions(tapegrad PRIVATE TAPEGRAD_MULTIVERSION)
endif()
