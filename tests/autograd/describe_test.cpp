#include "autograd/describe.h"

#include "autograd/ops.h"
#include "tests/catch.h"

using namespace tapegrad;

TEST_CASE("describe: a tape as text names ops, shapes, operands, bytes and what is not finite") {
  const Tensor<double> a({2, 3}, 4);
  const Tensor<double> b({3}, {1, 0, -1});
  Tape<double> tape;
  const Var<double> x = tape.variable(a);
  const Var<double> y = tape.constant(b);
  sum(log(x * y));
  CHECK(describe(tape) ==
        "   0  variable               [2, 3]           ()                   48 bytes  grad\n"
        "   1  constant               [3]              ()                   24 bytes\n"
        "   2  broadcast_to           [2, 3]           (1)                  48 bytes\n"
        "   3  mul                    [2, 3]           (0, 2)               48 bytes  grad\n"
        "   4  log                    [2, 3]           (3)                  48 bytes  grad  4 not "
        "finite\n"
        "   5  sum                    []               (4)                   8 bytes  grad  1 not "
        "finite\n");
}

TEST_CASE("describe: a tape as a graph has an edge for every operand") {
  const Tensor<float> a({2}, 1);
  Tape<float> tape;
  const Var<float> x = tape.variable(a);
  const Var<float> y = x * x;
  y + tape.constant(2.0F);
  CHECK(graphviz(tape) ==
        "digraph tape {\n  rankdir=BT;\n"
        "  n0 [label=\"variable\\n[2]\", shape=box];\n"
        "  n1 [label=\"mul\\n[2]\"];\n  n0 -> n1;\n  n0 -> n1;\n"
        "  n2 [label=\"constant\\n[]\", shape=box, style=dashed];\n"
        "  n3 [label=\"broadcast_to\\n[2]\", style=dashed];\n  n2 -> n3;\n"
        "  n4 [label=\"add\\n[2]\"];\n  n1 -> n4;\n  n3 -> n4;\n}\n");
}
