// The training of a two-layer network in Eigen, whose products BLAS computes.
#include <Eigen/Core>

#include "bench/support/peer.h"

namespace {

using namespace tapegrad;
using bench::Problem;
using bench::Settings;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::RowVectorXf;

Eigen::Map<const Matrix> map(const Tensor<float>& t) {
  return {t.data(), t.shape()[0], t.shape()[1]};
}

class InEigen final : public bench::Training {
 public:
  InEigen(const Problem& problem, const Tensor<float>& images, const Settings& settings)
      : problem_(problem),
        images_(map(images)),
        settings_(settings),
        w1_(map(problem.weights[0])),
        w2_(map(problem.weights[1])),
        b1_(Row::Zero(w1_.rows())),
        b2_(Row::Zero(w2_.rows())),
        x_(problem.batch, w1_.cols()) {}

  void step() override {
    const auto rows = problem_.rows(step_);
    const Eigen::Index n = problem_.batch;
    for (Eigen::Index i = 0; i < n; ++i) x_.row(i) = images_.row(rows[static_cast<std::size_t>(i)]);

    h_.noalias() = x_ * w1_.transpose();
    h_ = (h_.rowwise() + b1_).cwiseMax(0.0F);
    p_.noalias() = h_ * w2_.transpose();
    p_.rowwise() += b2_;
    p_.colwise() -= p_.rowwise().maxCoeff().eval();
    p_ = p_.array().exp();
    p_.array().colwise() /= p_.rowwise().sum().array().eval();

    float sum = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto row = static_cast<std::size_t>(rows[static_cast<std::size_t>(i)]);
      float& p = p_(i, problem_.images.labels[row]);
      sum -= std::log(p);
      p -= 1;
    }
    loss_ = static_cast<double>(sum) / static_cast<double>(n);
    p_ /= static_cast<float>(n);

    dw2_.noalias() = p_.transpose() * h_;
    dh_.noalias() = p_ * w2_;
    dh_ = (h_.array() > 0).select(dh_, 0.0F);
    dw1_.noalias() = dh_.transpose() * x_;

    const auto lr = static_cast<float>(settings_.lr(step_++));
    const auto decay = static_cast<float>(2 * settings_.lambda);
    w1_ -= lr * (dw1_ + decay * w1_);
    w2_ -= lr * (dw2_ + decay * w2_);
    b1_ -= lr * dh_.colwise().sum();
    b2_ -= lr * p_.colwise().sum();
  }

  double loss() const override { return loss_; }

 private:
  const Problem& problem_;
  Eigen::Map<const Matrix> images_;
  Settings settings_;
  Index step_ = 0;
  double loss_ = 0;
  Matrix w1_, w2_;
  Row b1_, b2_;
  Matrix x_, h_, p_, dh_, dw1_, dw2_;
};

bench::Begin prepare(const Problem& problem) {
  const auto images = std::make_shared<Tensor<float>>(problem.standardised());
  return [&problem, images](const Settings& settings) {
    return std::make_unique<InEigen>(problem, *images, settings);
  };
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), "Eigen 3.4",
                      prepare);
}
