// Everything: tensors, derivatives, networks, optimizers, data.
#pragma once

#include <fmt/core.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/parameter_list.h"
#include "data/cifar10.h"
#include "data/loader.h"
#include "data/synthetic.h"
#include "nn/activations.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/losses.h"
#include "nn/metrics.h"
#include "nn/sequential.h"
#include "nn/state.h"
#include "nn/summary.h"
#include "optim/sgd.h"
#include "optim/trainer.h"
#include "tensor/error.h"
#include "tensor/format.h"
#include "tensor/random.h"
