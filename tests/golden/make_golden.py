#!/usr/bin/env python3
"""Makes the golden_*.safetensors files beside this one.

The values come from PyTorch (CPU, float64), which shares no code with this project. Needs NumPy
and PyTorch: /usr/bin/python3 make_golden.py
"""

import json
import pathlib
import struct

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(20240229)
DIRECTIONS = np.random.default_rng(20240301)  # apart, so that they change no other number
OPTIMIZERS = np.random.default_rng(20240302)  # likewise


def write_safetensors(path, tensors, metadata):
    header = {"__metadata__": metadata}
    data = b""
    for name in sorted(tensors):
        array = np.atleast_1d(np.ascontiguousarray(tensors[name]))
        numbers = array.astype({"f": "<f8", "i": "<i8"}[array.dtype.kind]).tobytes()
        header[name] = {
            "dtype": {"f": "F64", "i": "I64"}[array.dtype.kind],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(numbers)],
        }
        data += numbers
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(f"{path.name}: {len(tensors)} tensors, {8 + len(text) + len(data)} bytes")


def draw(shape, positive=False):
    """Numbers of either sign between 0.2 and 1.8 in size: away from kinks and poles."""
    size = RNG.uniform(0.2, 1.8, shape)
    return size if positive else size * RNG.choice([-1.0, 1.0], shape)


def add_case(tensors, name, f, inputs, labels=None, targets=None, second_order=True):
    variables = [torch.tensor(x, requires_grad=True) for x in inputs]
    arguments = list(variables)
    if labels is not None:
        tensors[f"{name}/labels"] = np.asarray(labels, dtype=np.int64)
        arguments.append(torch.tensor(labels, dtype=torch.long))
    if targets is not None:
        tensors[f"{name}/targets"] = targets
        arguments.append(torch.tensor(targets))
    out = f(*arguments)
    gout = RNG.standard_normal(tuple(out.shape))
    grads = torch.autograd.grad(out, variables, torch.tensor(gout), create_graph=second_order)
    for i, (x, g) in enumerate(zip(inputs, grads)):
        tensors[f"{name}/in{i}"] = x
        tensors[f"{name}/grad{i}"] = g.detach().numpy()
    add_second_order(tensors, name, variables, grads)
    tensors[f"{name}/out"] = out.detach().numpy()
    tensors[f"{name}/gout"] = gout


def add_second_order(tensors, name, variables, grads):
    """The gradient of sum_i <grad_i, v_i>, for cases whose gradients depend on the inputs."""
    if not any(g.requires_grad for g in grads):
        return
    directions = [DIRECTIONS.standard_normal(tuple(x.shape)) for x in variables]
    dot = sum((g * torch.tensor(v)).sum() for g, v in zip(grads, directions))
    hvps = torch.autograd.grad(dot, variables, allow_unused=True)
    for i, (x, v, hvp) in enumerate(zip(variables, directions, hvps)):
        tensors[f"{name}/v{i}"] = v
        # PyTorch may return a zero without memory behind it, so it is added to one that has some.
        hvp = torch.zeros_like(x) + (0 if hvp is None else hvp)
        tensors[f"{name}/hvp{i}"] = hvp.detach().numpy()


def make_ops():
    t = {}
    for op in ("add", "sub", "mul", "div"):
        f = getattr(torch, op)
        add_case(t, f"{op}.0", f, [draw((2, 5)), draw((2, 5))])
        add_case(t, f"{op}.1", f, [draw((3, 1, 2)), draw((4, 1))])
    for op in ("neg", "exp", "square", "tanh", "sigmoid", "relu"):
        add_case(t, f"{op}.0", getattr(torch, op), [draw((3, 6))])
    for op in ("log", "sqrt"):
        add_case(t, f"{op}.0", getattr(torch, op), [draw((3, 6), positive=True)])
    for op in ("sum", "mean"):
        f = getattr(torch, op)
        add_case(t, f"{op}.all.drop", f, [draw((3, 4))])
        add_case(t, f"{op}.1.drop", lambda x: f(x, 1), [draw((2, 5, 3))])
        add_case(t, f"{op}.-1.keep", lambda x: f(x, -1, keepdim=True), [draw((2, 5, 3))])
    add_case(t, "reshape.0", lambda x: x.reshape(4, 3), [draw((2, 6))])
    add_case(t, "transpose.0", lambda x: x.T, [draw((2, 5))])
    add_case(t, "broadcast_to.0", lambda x: x.broadcast_to(2, 3, 4), [draw((3, 1))])
    add_case(t, "matmul.0", torch.matmul, [draw((2, 6)), draw((6, 3))])
    add_case(t, "matmul.1", torch.matmul, [draw((3, 2, 4)), draw((3, 4, 2))])
    add_case(t, "matmul.2", torch.matmul, [draw((2, 1, 2, 3)), draw((4, 3, 2))])
    add_case(t, "linear.0", torch.nn.functional.linear, [draw((4, 6)), draw((3, 6)), draw((3,))])
    add_case(t, "softmax.0", lambda x: torch.softmax(x, -1), [3 * draw((3, 7))])
    add_case(t, "softmax.1", lambda x: torch.softmax(x, -1), [draw((2, 2, 3))])
    add_case(t, "log_softmax.0", lambda x: torch.log_softmax(x, -1), [3 * draw((3, 7))])
    add_case(t, "softmax_cross_entropy.0", torch.nn.functional.cross_entropy,
             [3 * draw((5, 4))], labels=[3, 0, 1, 1, 2])
    add_case(t, "softmax_cross_entropy.1", torch.nn.functional.cross_entropy,
             [300 * draw((2, 3))], labels=[2, 0], second_order=False)  # 1e-45, lost to rounding
    return t


def add_losses_and_layers(t):
    f = torch.nn.functional
    add_case(t, "softmax_cross_entropy_soft.0", f.cross_entropy, [3 * draw((4, 3))],
             targets=RNG.uniform(0, 1, (4, 3)))
    add_case(t, "multi_margin_sum.0", lambda s, y: s.shape[1] * f.multi_margin_loss(s, y),
             [draw((5, 4))], labels=[3, 0, 1, 1, 2], second_order=False)  # PyTorch has none
    add_case(t, "bce_with_logits.0", f.binary_cross_entropy_with_logits, [8 * draw((3, 4))],
             targets=RNG.uniform(0, 1, (3, 4)))
    add_case(t, "mse.0", f.mse_loss, [draw((3, 4)), draw((3, 4))])
    batch_norm = lambda x, gamma, beta: f.batch_norm(x, None, None, gamma, beta, training=True)
    add_case(t, "batch_norm.0", batch_norm, [draw((6, 3)), draw((3,)), draw((3,))])
    add_case(t, "batch_norm.1", batch_norm, [draw((2, 3, 2, 4)), draw((3,)), draw((3,))])
    add_case(t, "layer_norm.0", lambda x, gamma, beta: f.layer_norm(x, (5,), gamma, beta),
             [draw((2, 2, 5)), draw((5,)), draw((5,))])
    for i, (x, w, stride, pad) in enumerate([((2, 2, 5, 4), (3, 2, 3, 2), 1, 1),
                                             ((2, 3, 6, 5), (2, 3, 2, 3), 2, 0),
                                             ((1, 3, 3, 4), (2, 3, 1, 1), 1, 0)]):
        add_case(t, f"conv2d.{i}.stride{stride}.pad{pad}",
                 lambda x, w, b: f.conv2d(x, w, b, stride=stride, padding=pad),
                 [draw(x), draw(w), draw(w[:1])])
    add_case(t, "max_pool2d.0", lambda x: f.max_pool2d(x, 2), [draw((2, 2, 5, 4))])
    add_case(t, "avg_pool2d.0", lambda x: f.avg_pool2d(x, 2), [draw((2, 2, 5, 4))])


def add_functions_and_moves(t):
    f = torch.nn.functional
    add_case(t, "pow.0", torch.pow, [draw((2, 5), positive=True), draw((2, 5))])
    add_case(t, "pow.1", torch.pow, [draw((3, 1, 2), positive=True), draw((4, 1))])
    for op in (torch.maximum, torch.minimum):
        add_case(t, f"{op.__name__}.0", op, [draw((2, 5)), draw((2, 5))])
        add_case(t, f"{op.__name__}.1", op, [draw((3, 1, 2)), draw((4, 1))])
    for op in (torch.abs, torch.sin, torch.cos, f.softplus, f.gelu, f.leaky_relu,
               torch.reciprocal):
        add_case(t, f"{op.__name__}.0", op, [draw((3, 6))])
    for name, along in (("max", lambda x, *a, **k: x.amax(*a, **k)),
                        ("var", lambda x, *a, **k: x.var(*a, unbiased=False, **k)),
                        ("logsumexp", lambda x, *a, **k: x.logsumexp(*a, **k))):
        add_case(t, f"{name}.all.drop", lambda x: along(x.reshape(-1), 0), [draw((3, 4))])
        add_case(t, f"{name}.1.drop", lambda x: along(x, 1), [draw((2, 5, 3))])
        add_case(t, f"{name}.-1.keep", lambda x: along(x, -1, keepdim=True), [draw((2, 5, 3))])
    add_case(t, "permute.0", lambda x: x.permute(2, 0, 1), [draw((3, 2, 4))])
    add_case(t, "slice.0", lambda x: x[1:3], [draw((4, 2, 3))])
    add_case(t, "slice.1", lambda x: x[:, 1:4], [draw((3, 5))])
    add_case(t, "concat.0", lambda *x: torch.cat(x, 0), [draw((1, 3)), draw((3, 3)), draw((2, 3))])
    add_case(t, "concat.1", lambda *x: torch.cat(x, 1), [draw((2, 3, 2)), draw((2, 1, 2))])
    t["embedding.0/indices"] = np.array([2, 0, 2, 1, 2])
    add_case(t, "embedding.0", lambda x: x[t["embedding.0/indices"]], [draw((4, 3))])


def make_trajectory():
    """An 8-5-3 ReLU net, 4 batches of 6 in turn, SGD with Nesterov momentum and weight decay."""
    steps, batch, lr, momentum, decay = 20, 6, 0.08, 0.9, 0.03
    x = RNG.standard_normal((4 * batch, 8))
    labels = RNG.integers(0, 3, 4 * batch)
    w1 = torch.tensor(RNG.standard_normal((5, 8)) / 8**0.5, requires_grad=True)
    w2 = torch.tensor(RNG.standard_normal((3, 5)) / 5**0.5, requires_grad=True)
    b1 = torch.zeros(5, requires_grad=True)
    b2 = torch.zeros(3, requires_grad=True)
    named = {"W1": w1, "b1": b1, "W2": w2, "b2": b2}
    t = {"x": x, "labels": labels}
    t |= {f"init.{k}": v.detach().numpy().copy() for k, v in named.items()}
    for variant, nesterov in (("momentum", False), ("nesterov", True)):
        for k, v in named.items():
            v.data = torch.tensor(t[f"init.{k}"])
        sgd = torch.optim.SGD(
            [{"params": [w1, w2], "weight_decay": decay}, {"params": [b1, b2]}],
            lr=lr, momentum=momentum, nesterov=nesterov)
        losses, costs = [], []
        for step in range(steps):
            rows = slice(step % 4 * batch, (step % 4 + 1) * batch)
            hidden = torch.relu(torch.tensor(x[rows]) @ w1.T + b1)
            loss = torch.nn.functional.cross_entropy(hidden @ w2.T + b2, torch.tensor(labels[rows]))
            penalty = decay / 2 * ((w1**2).sum() + (w2**2).sum())
            losses.append(loss.item())
            costs.append((loss + penalty).item())
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        t[f"{variant}.loss"] = np.array(losses)
        t[f"{variant}.cost"] = np.array(costs)
        t |= {f"{variant}.final.{k}": v.detach().numpy().copy() for k, v in named.items()}
    metadata = {"made_by": "make_golden.py, PyTorch", "steps": str(steps), "batch": str(batch),
                "lr": str(lr), "momentum": str(momentum), "weight_decay": str(decay)}
    write_safetensors(HERE / "golden_trajectory.safetensors", t, metadata)


OPTIMIZER_VARIANTS = {
    "adam": (torch.optim.Adam, {}, 0),
    "adam_decay": (torch.optim.Adam, {}, 0.1),
    "adam_betas": (torch.optim.Adam, {"betas": (0.6, 0.95), "eps": 1e-3}, 0.1),
    "adamw": (torch.optim.AdamW, {}, 0.1),
    "adagrad": (torch.optim.Adagrad, {}, 0.1),
    "adagrad_initial": (torch.optim.Adagrad, {"eps": 1e-3, "initial_accumulator_value": 0.3}, 0.1),
    "rmsprop": (torch.optim.RMSprop, {}, 0.1),
    "rmsprop_alpha": (torch.optim.RMSprop, {"alpha": 0.7, "eps": 1e-3}, 0.1),
    "rmsprop_momentum": (torch.optim.RMSprop, {"momentum": 0.8}, 0.1),
    "rmsprop_centered": (torch.optim.RMSprop, {"centered": True}, 0.1),
    "rmsprop_both": (torch.optim.RMSprop, {"momentum": 0.8, "centered": True}, 0.1),
}


def make_optimizers():
    """Two parameters of 8 and 4 numbers under curvature (w - target_t)^2 / 2. The second has half
    the learning rate, half the decay, and in every third step no gradient."""
    steps = 30
    lr = OPTIMIZERS.uniform(0.01, 0.1, steps)
    start = OPTIMIZERS.standard_normal(12)
    curvature = OPTIMIZERS.uniform(0.1, 1.5, 12)
    target = OPTIMIZERS.standard_normal((steps, 12))
    t = {"lr": lr, "start": start, "curvature": curvature, "target": target}
    for variant, (optimizer, options, decay) in OPTIMIZER_VARIANTS.items():
        first = torch.tensor(start[:8].reshape(2, 4), requires_grad=True)
        second = torch.tensor(start[8:], requires_grad=True)
        groups = [{"params": [first], "weight_decay": decay},
                  {"params": [second], "weight_decay": decay / 2}]
        trained = optimizer(groups, lr=0.1, foreach=False, **options)
        path = []
        for step in range(steps):
            for scale, group in zip((1, 0.5), trained.param_groups):
                group["lr"] = scale * lr[step]
            first.grad = torch.tensor(curvature[:8].reshape(2, 4)) * (
                first.detach() - torch.tensor(target[step, :8].reshape(2, 4)))
            second.grad = None if step % 3 == 2 else torch.tensor(curvature[8:]) * (
                second.detach() - torch.tensor(target[step, 8:]))
            trained.step()
            path.append(np.concatenate([p.detach().numpy().ravel() for p in (first, second)]))
        t[variant] = np.array(path)
    metadata = {"made_by": "make_golden.py, PyTorch", "weight_decay": "0.1"}
    write_safetensors(HERE / "golden_optimizers.safetensors", t, metadata)


if __name__ == "__main__":
    ops = make_ops()
    make_trajectory()
    add_losses_and_layers(ops)
    add_functions_and_moves(ops)
    write_safetensors(HERE / "golden_ops.safetensors", ops, {"made_by": "make_golden.py, PyTorch"})
    make_optimizers()
