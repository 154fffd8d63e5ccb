// The matrix products of a training step and nothing else: what no framework can go below. The
// images' own gradient is not needed, so its product is not among them.
#include <cblas.h>

#include <cmath>
#include <stdexcept>

#include "bench/support/peer.h"
#include "tensor/kernels.h"
#include "tensor/runtime.h"
#ifdef HAVE_LIBXSMM
#include <libxsmm.h>
#endif

namespace {

using namespace tapegrad;
using bench::Problem;
using bench::Settings;
using kernels::Op;

void openblas(Op op_a, Op op_b, const Tensor<float>& a, const Tensor<float>& b,
              Tensor<float>& out) {
  const auto side = [](const Tensor<float>& t, int axis) {
    return static_cast<int>(t.shape()[axis]);
  };
  const auto flag = [](Op op) { return op == Op::none ? CblasNoTrans : CblasTrans; };
  cblas_sgemm(CblasRowMajor, flag(op_a), flag(op_b), side(out, 0), side(out, 1),
              side(a, op_a == Op::none ? 1 : 0), 1.0F, a.data(), side(a, 1), b.data(), side(b, 1),
              0.0F, out.data(), side(out, 1));
}

void own(Op op_a, Op op_b, const Tensor<float>& a, const Tensor<float>& b, Tensor<float>& out) {
  kernels::gemm<float>(op_a, op_b, a, b, out.view());
}

using Product = void (*)(Op, Op, const Tensor<float>&, const Tensor<float>&, Tensor<float>&);

class Products final : public bench::Training {
 public:
  Products(const Problem& problem, Product product) : product_(product), w_(problem.weights) {
    Rng rng(1);
    h_.push_back(rng.normal<float>({problem.batch, problem.widths[0]}, 1));
    dh_.emplace_back();
    for (const Tensor<float>& w : w_) {
      h_.push_back(rng.normal<float>({problem.batch, w.shape()[0]}, 1));
      dh_.push_back(h_.back());
      dw_.push_back(w);
    }
  }

  void step() override {
    const std::size_t layers = w_.size();
    for (std::size_t i = 0; i < layers; ++i) {
      product_(Op::none, Op::transpose, h_[i], w_[i], h_[i + 1]);
    }
    for (std::size_t i = layers; i-- > 0;) {
      product_(Op::transpose, Op::none, dh_[i + 1], h_[i], dw_[i]);
      if (i > 0) product_(Op::none, Op::none, dh_[i + 1], w_[i], dh_[i]);
    }
  }

  double loss() const override { return std::nan(""); }

 private:
  Product product_;
  std::vector<Tensor<float>> w_, h_, dh_, dw_;
};

#ifdef HAVE_LIBXSMM
// LIBXSMM's kernels read column-major matrices and none that is transposed on the left, so weights
// are stored [inputs, outputs] here; where one is needed the other way, it is transposed first.
class Xsmm final : public bench::Training {
 public:
  explicit Xsmm(const Problem& problem) : batch_(problem.batch), widths_(problem.widths) {
    Rng rng(1);
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      h_.push_back(rng.normal<float>({batch_, widths_[i]}, 1));
      dh_.push_back(h_.back());
      if (i == 0) continue;
      w_.push_back(rng.normal<float>({widths_[i - 1], widths_[i]}, 1));
      dw_.push_back(w_.back());
      turned_.push_back(w_.back());
      forward_.push_back(kernel(widths_[i], batch_, widths_[i - 1], LIBXSMM_GEMM_FLAG_NONE));
      gradient_.push_back(kernel(widths_[i], widths_[i - 1], batch_, LIBXSMM_GEMM_FLAG_TRANS_B));
      backward_.push_back(kernel(widths_[i - 1], batch_, widths_[i], LIBXSMM_GEMM_FLAG_NONE));
    }
  }

  void step() override {
    for (std::size_t i = 0; i < w_.size(); ++i) {
      forward_[i](w_[i].data(), h_[i].data(), h_[i + 1].data());
    }
    for (std::size_t i = w_.size(); i-- > 0;) {
      gradient_[i](dh_[i + 1].data(), h_[i].data(), dw_[i].data());
      if (i == 0) continue;
      const auto in = static_cast<int>(widths_[i]);
      const auto out = static_cast<int>(widths_[i + 1]);
      libxsmm_otrans(turned_[i].data(), w_[i].data(), sizeof(float), out, in, out, in);
      backward_[i](turned_[i].data(), dh_[i + 1].data(), dh_[i].data());
    }
  }

  double loss() const override { return std::nan(""); }

 private:
  static libxsmm_smmfunction kernel(Index m, Index n, Index k, int flags) {
    const float alpha = 1;
    const float beta = 0;
    const auto function =
        libxsmm_smmdispatch(static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), nullptr,
                            nullptr, nullptr, &alpha, &beta, &flags, nullptr);
    if (function == nullptr) throw std::runtime_error("LIBXSMM has no kernel for these sizes");
    return function;
  }

  Index batch_;
  std::vector<Index> widths_;
  std::vector<Tensor<float>> w_, turned_, h_, dh_, dw_;
  std::vector<libxsmm_smmfunction> forward_, gradient_, backward_;
};
#endif

std::unique_ptr<bench::Training> begin(const std::string& library, const Problem& problem) {
  set_threads(problem.threads);
  if (library == "openblas") return std::make_unique<Products>(problem, openblas);
  if (library == "own") return std::make_unique<Products>(problem, own);
#ifdef HAVE_LIBXSMM
  if (library == "libxsmm") return std::make_unique<Xsmm>(problem);
#endif
  throw std::runtime_error("this program was built without " + library);
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = std::span(argv, static_cast<std::size_t>(argc)).subspan(1);
  if (arguments.empty()) return 2;
  const std::string library = arguments.front();
  return bench::serve(arguments.subspan(1), "products by " + library,
                      [&library](const Problem& problem) -> bench::Begin {
                        return [&](const Settings&) { return begin(library, problem); };
                      });
}
