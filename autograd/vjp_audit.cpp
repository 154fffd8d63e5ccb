#include "autograd/vjp_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapegrad {

// Lends the operands of one op other gradients than the tape's, for its scope.
class VjpAudit {
 public:
  VjpAudit(Tape<double>& tape, const Node<double>& node) : tape_(tape), node_(&node) {
    for (int i = 0; i < node.operand_count; ++i) {
      Node<double>& operand = *node.operands()[i];
      if (operand.needs_grad) place_of(operand).nodes.push_back(&operand);
    }
    for (Place& place : places_) {
      for (const Node<double>* operand : place.nodes) place.kept.push_back(operand->gradient);
      place.was_touched = place.parameter != nullptr && place.parameter->touched_;
      place.numbers = Tensor<double>(place.nodes.front()->shape);
      rooms_[place.nodes.front()] = place.numbers.data();
    }
    tape_.rooms_ = &rooms_;
  }

  ~VjpAudit() {
    tape_.rooms_ = nullptr;
    for (Place& place : places_) {
      for (std::size_t i = 0; i < place.nodes.size(); ++i) place.nodes[i]->gradient = place.kept[i];
      if (place.parameter != nullptr) place.parameter->touched_ = place.was_touched;
    }
  }
  VjpAudit(const VjpAudit&) = delete;
  VjpAudit& operator=(const VjpAudit&) = delete;

  // What is wrong with each operand, if anything is.
  std::vector<std::string> run() {
    const std::vector<Tensor<double>> shares = put(false, [](std::size_t) { return 0.0; });
    std::vector<double> before;
    for (std::size_t p = 0; p < places_.size(); ++p) before.push_back(size_of(shares[p]));
    const auto old = [&](std::size_t p) { return before[p]; };
    const std::vector<Tensor<double>> first = put(false, old);
    const std::vector<Tensor<double>> later = put(true, old);
    std::vector<std::string> faults;
    for (std::size_t p = 0; p < places_.size(); ++p) {
      if (!places_[p].reached) continue;
      const auto report = [&](const char* what) {
        faults.push_back(fmt::format("{} operand {}, {}", what, operand_number(places_[p]),
                                     places_[p].nodes.front()->op));
      };
      if (!same(first[p], shares[p], 0, before[p])) {
        report("keeps what stood, before its first touch, in the gradient of");
      } else if (!same(later[p], shares[p], before[p], before[p])) {
        report("loses what others have put in the gradient of");
      }
    }
    return faults;
  }

 private:
  // Where an operand's gradient goes: the leaves of one parameter share it.
  struct Place {
    Parameter<double>* parameter;
    std::vector<Node<double>*> nodes;
    std::vector<double*> kept;
    bool was_touched = false;
    Tensor<double> numbers;
    bool reached = false;
  };

  Place& place_of(Node<double>& operand) {
    Parameter<double>* parameter = Tape<double>::parameter_of(operand);
    for (Place& place : places_) {
      const bool same =
          parameter != nullptr ? place.parameter == parameter : place.nodes.front() == &operand;
      if (same) return place;
    }
    return places_.emplace_back(Place{parameter, {}, {}, false, {}, false});
  }

  // The gradients after the vjp, when they are touched for the first time or held `old` before.
  template <class F>
  std::vector<Tensor<double>> put(bool touched, F old) {
    for (std::size_t p = 0; p < places_.size(); ++p) {
      Place& place = places_[p];
      std::fill(place.numbers.begin(), place.numbers.end(), old(p));
      const bool has_one = touched || place.parameter != nullptr;
      for (Node<double>* operand : place.nodes) {
        operand->gradient = has_one ? place.numbers.data() : nullptr;
      }
      if (place.parameter != nullptr) place.parameter->touched_ = touched;
    }
    node_->vjp(*node_);
    std::vector<Tensor<double>> gradients;
    for (Place& place : places_) {
      if (!touched) {
        place.reached = place.parameter != nullptr ? place.parameter->touched_
                                                   : place.nodes.front()->gradient != nullptr;
      }
      gradients.push_back(place.numbers);
    }
    return gradients;
  }

  // The size of numbers that an addition to these shows in.
  static double size_of(const Tensor<double>& numbers) {
    double largest = 0;
    for (const double x : numbers) {
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    }
    return largest > 0 ? largest : 1;
  }

  // Whether x = y + added, but for the rounding of numbers of that size, where y is finite.
  static bool same(const Tensor<double>& x, const Tensor<double>& y, double added, double size) {
    constexpr double rounding = 1e-9;
    for (Index i = 0; i < y.size(); ++i) {
      if (std::isfinite(y[i]) && !(std::abs(x[i] - (y[i] + added)) <= rounding * size))
        return false;
    }
    return true;
  }

  int operand_number(const Place& place) const {
    int i = 0;
    while (node_->operands()[i] != place.nodes.front()) ++i;
    return i;
  }

  Tape<double>& tape_;
  const Node<double>* node_;
  std::vector<Place> places_;
  std::map<const Node<double>*, double*> rooms_;
};

std::vector<std::string> audit_vjps(Tape<double>& tape) {
  std::vector<std::string> faults;
  const auto nodes = tape.nodes();
  for (std::size_t number = 0; number < nodes.size(); ++number) {
    const Node<double>& node = *nodes[number];
    if (node.vjp == nullptr || node.gradient == nullptr) continue;
    for (const std::string& fault : VjpAudit(tape, node).run()) {
      faults.push_back(
          fmt::format("the vjp of {} (number {} on the tape) {}", node.op, number, fault));
    }
  }
  return faults;
}

}  // namespace tapegrad
