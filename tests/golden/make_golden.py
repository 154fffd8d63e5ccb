#!/usr/bin/env python3
"""Makes golden_ops.safetensors and golden_trajectory.safetensors beside this file.

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


def add_case(tensors, name, f, inputs, labels=None):
    variables = [torch.tensor(x, requires_grad=True) for x in inputs]
    arguments = list(variables)
    if labels is not None:
        tensors[f"{name}/labels"] = np.asarray(labels, dtype=np.int64)
        arguments.append(torch.tensor(labels, dtype=torch.long))
    out = f(*arguments)
    gout = RNG.standard_normal(tuple(out.shape))
    grads = torch.autograd.grad(out, variables, torch.tensor(gout))
    for i, (x, g) in enumerate(zip(inputs, grads)):
        tensors[f"{name}/in{i}"] = x
        tensors[f"{name}/grad{i}"] = g.numpy()
    tensors[f"{name}/out"] = out.detach().numpy()
    tensors[f"{name}/gout"] = gout


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
             [300 * draw((2, 3))], labels=[2, 0])
    write_safetensors(HERE / "golden_ops.safetensors", t, {"made_by": "make_golden.py, PyTorch"})


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


if __name__ == "__main__":
    make_ops()
    make_trajectory()
