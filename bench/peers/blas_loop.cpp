// The training of a two-layer network written out by hand on BLAS, with no framework at all.
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bench/support/peer.h"

namespace {

using namespace tapegrad;
using bench::Problem;
using bench::Settings;

void gemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, Index m, Index n, Index k, const float* a,
          const float* b, float* c) {
  const auto size = [](Index i) { return static_cast<int>(i); };
  cblas_sgemm(CblasRowMajor, op_a, op_b, size(m), size(n), size(k), 1, a,
              size(op_a == CblasNoTrans ? k : m), b, size(op_b == CblasNoTrans ? n : k), 0, c,
              size(n));
}

class Loop final : public bench::Training {
 public:
  Loop(const Problem& problem, const Tensor<float>& images, const Settings& settings)
      : problem_(problem),
        images_(images),
        settings_(settings),
        n_(problem.batch),
        d_(problem.widths[0]),
        m_(problem.widths[1]),
        k_(problem.widths[2]),
        w1_(problem.weights[0]),
        w2_(problem.weights[1]) {}

  void step() override {
    gather();
    forward();
    backward();
    update();
    ++step_;
  }

  double loss() const override { return loss_; }

 private:
  void gather() {
    const auto rows = problem_.rows(step_);
    for (Index i = 0; i < n_; ++i) {
      const Index row = rows[static_cast<std::size_t>(i)];
      std::memcpy(x_.data() + i * d_, images_.data() + row * d_, sizeof(float) * size(d_));
      y_[size(i)] = problem_.images.labels[size(row)];
    }
  }

  void forward() {
    gemm(CblasNoTrans, CblasTrans, n_, m_, d_, x_.data(), w1_.data(), h_.data());
    for (Index i = 0; i < n_; ++i) {
      float* h = h_.data() + i * m_;
      for (Index j = 0; j < m_; ++j) h[j] = std::max(h[j] + b1_.data()[j], 0.0F);
    }
    gemm(CblasNoTrans, CblasTrans, n_, k_, m_, h_.data(), w2_.data(), p_.data());
    float sum = 0;
    for (Index i = 0; i < n_; ++i) sum += softmax(p_.data() + i * k_, y_[size(i)]);
    loss_ = static_cast<double>(sum / static_cast<float>(n_));
  }

  // Logits to the loss's gradient, in place; returns the loss.
  float softmax(float* p, std::int32_t label) const {
    for (Index j = 0; j < k_; ++j) p[j] += b2_.data()[j];
    const float largest = *std::max_element(p, p + k_);
    float sum = 0;
    for (Index j = 0; j < k_; ++j) sum += p[j] = std::exp(p[j] - largest);
    for (Index j = 0; j < k_; ++j) p[j] /= sum;
    const float loss = -std::log(p[label]);
    p[label] -= 1;
    for (Index j = 0; j < k_; ++j) p[j] /= static_cast<float>(n_);
    return loss;
  }

  void backward() {
    gemm(CblasTrans, CblasNoTrans, k_, m_, n_, p_.data(), h_.data(), dw2_.data());
    gemm(CblasNoTrans, CblasNoTrans, n_, m_, k_, p_.data(), w2_.data(), dh_.data());
    for (Index i = 0; i < n_ * m_; ++i) {
      dh_.data()[i] = h_.data()[i] > 0 ? dh_.data()[i] : 0.0F;
    }
    gemm(CblasTrans, CblasNoTrans, m_, d_, n_, dh_.data(), x_.data(), dw1_.data());
  }

  void update() {
    const auto lr = static_cast<float>(settings_.lr(step_));
    const auto decay = static_cast<float>(2 * settings_.lambda);
    descend(lr, decay, dw1_, w1_);
    descend(lr, decay, dw2_, w2_);
    descend_bias(lr, dh_, b1_);
    descend_bias(lr, p_, b2_);
  }

  static void descend(float lr, float decay, const Tensor<float>& g, Tensor<float>& to) {
    float* w = to.data();
    const float* dw = g.data();
    for (Index i = 0; i < to.size(); ++i) w[i] -= lr * (dw[i] + decay * w[i]);
  }

  static void descend_bias(float lr, const Tensor<float>& dy, Tensor<float>& b) {
    for (Index i = 0; i < dy.shape()[0]; ++i) {
      for (Index j = 0; j < b.size(); ++j) b.data()[j] -= lr * dy.data()[i * b.size() + j];
    }
  }

  static std::size_t size(Index i) { return static_cast<std::size_t>(i); }

  const Problem& problem_;
  const Tensor<float>& images_;
  Settings settings_;
  Index n_, d_, m_, k_;
  Index step_ = 0;
  double loss_ = 0;
  Tensor<float> w1_, w2_;
  Tensor<float> b1_{Shape{m_}}, b2_{Shape{k_}};
  Tensor<float> x_{Shape{n_, d_}}, h_{Shape{n_, m_}}, p_{Shape{n_, k_}};
  Tensor<float> dw1_{Shape{m_, d_}}, dw2_{Shape{k_, m_}}, dh_{Shape{n_, m_}};
  std::vector<std::int32_t> y_ = std::vector<std::int32_t>(size(n_));
};

bench::Begin prepare(const Problem& problem) {
  const auto images = std::make_shared<Tensor<float>>(problem.standardised());
  return [&problem, images](const Settings& settings) {
    return std::make_unique<Loop>(problem, *images, settings);
  };
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), "loops by hand",
                      prepare);
}
