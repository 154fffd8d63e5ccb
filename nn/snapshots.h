// Copies of a network's parameters at several moments of its training.
#pragma once

#include <vector>

#include "autograd/parameter_list.h"
#include "tensor/safetensors.h"

namespace tapegrad::nn {

/// For ensembles of one network's past, as at the ends of cycles (Huang et al., "Snapshot
/// ensembles", 2017): the average of the snapshots' probabilities is usually better than any one.
template <Real T>
class Snapshots {
 public:
  /// Copies the parameters as they are now.
  void add(const ParameterList<T>& parameters);

  /// All numbers of all snapshots, for a checkpoint, and back. Throws FormatError for what save()
  /// does not make.
  Safetensors save() const;
  void load(const Safetensors& state);

  Index size() const { return std::ssize(snapshots_); }

  /// Writes snapshot i into the parameters it was taken of. Throws ShapeError when they are others
  /// and OptionError unless 0 <= i < size(); nothing is written then.
  void restore(Index i, const ParameterList<T>& parameters) const;

 private:
  std::vector<std::vector<Tensor<T>>> snapshots_;
};

}  // namespace tapegrad::nn
