#include "autograd/profile.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tests/catch.h"

using namespace tapegrad;
using Catch::Matchers::Contains;

namespace {

/// Writes down what it is told.
struct Diary final : TapeObserver<double> {
  void forward_begins(const Node<double>& n) override { lines.push_back(std::string(">") + n.op); }
  void forward_ends(const Node<double>& n) override { lines.push_back(std::string("<") + n.op); }
  void backward_begins(const Node<double>& n) override { lines.push_back(std::string("[") + n.op); }
  void backward_ends(const Node<double>& n) override { lines.push_back(std::string("]") + n.op); }

  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("observer: hears of every op, forward and backward, in order") {
  const Tensor<double> x(Shape{2}, 3), k(Shape{2}, 2);
  Diary diary;
  Tape<double> tape;
  tape.observe(&diary);
  const Var<double> v = tape.variable(x);
  const Var<double> unused = exp(tape.constant(k));
  const Var<double> loss = sum(square(v));
  tape.backward(loss);
  CHECK(diary.lines == std::vector<std::string>{">exp", "<exp", ">square", "<square", ">sum",
                                                "<sum", "[sum", "]sum", "[square", "]square"});
  CHECK_FALSE(unused.needs_grad());

  Tape<double> quiet;
  const std::size_t heard = diary.lines.size();
  quiet.backward(sum(quiet.variable(x)));
  CHECK(diary.lines.size() == heard);
}

TEST_CASE("profile: counts calls, operations and bytes") {
  const Tensor<double> x(Shape{4, 6}, 1);
  Parameter<double> w(Tensor<double>(Shape{3, 6}, 1)), b(Tensor<double>(Shape{3}));
  Profile<double> profile;
  for (int i = 0; i < 2; ++i) {
    Tape<double> tape;
    tape.observe(&profile);
    const Var<double> y = linear(tape.constant(x), tape.parameter(w), tape.parameter(b));
    tape.backward(sum(relu(y)));
  }
  const auto& forward = profile.costs().at({"linear", "forward"});
  CHECK(forward.calls == 2);
  CHECK(forward.flops == 2 * (2.0 * 4 * 6 * 3));
  CHECK(forward.bytes == 2 * (24 + 18 + 3 + 12) * 8.0);
  // x is a constant, so w alone needs a product.
  CHECK(profile.costs().at({"linear", "backward"}).flops == 2 * (2.0 * 4 * 6 * 3));
  CHECK(profile.costs().at({"relu", "forward"}).flops == 0);
  CHECK(profile.costs().size() == 6);
  CHECK(profile.seconds() > 0);

  const std::string text = to_string(profile, 2, 2 * profile.seconds());
  CHECK_THAT(text, Contains("linear"));
  CHECK_THAT(text, Contains("outside of ops (batches, update)     50.0 %"));
}
