"""The training in PyTorch, one operation at a time ("eager")."""

import re

import torch
import problem


class Training:
    def __init__(self, data, lam, half_cycle):
        self.data, self.half_cycle, self.steps = data, half_cycle, 0
        self.net = torch.nn.Sequential()
        for i, w in enumerate(data.weights):
            if i > 0:
                self.net.append(torch.nn.ReLU())
            linear = torch.nn.Linear(w.shape[1], w.shape[0])
            with torch.no_grad():
                linear.weight.copy_(w)
                linear.bias.zero_()
            self.net.append(linear)
        matrices = [p for p in self.net.parameters() if p.dim() == 2]
        vectors = [p for p in self.net.parameters() if p.dim() < 2]
        self.sgd = torch.optim.SGD(
            [{"params": matrices, "weight_decay": 2 * lam}, {"params": vectors}], lr=1
        )
        # Of the ways to feed batches (a DataLoader, indexing, these) the fastest.
        self.x = torch.empty(data.batch, data.x.shape[1])
        self.y = torch.empty(data.batch, dtype=torch.int64)

    def step(self):
        rows = self.data.batches[self.steps % len(self.data.batches)]
        torch.index_select(self.data.x, 0, rows, out=self.x)
        torch.index_select(self.data.y, 0, rows, out=self.y)
        self.sgd.zero_grad(set_to_none=True)
        self.last = torch.nn.functional.cross_entropy(self.net(self.x), self.y)
        self.last.backward()
        lr = problem.cyclic_lr(self.steps, self.half_cycle)
        for group in self.sgd.param_groups:
            group["lr"] = lr
        self.sgd.step()
        self.steps += 1

    def loss(self):
        return self.last.item()


class Data:
    def __init__(self, stored):
        self.batch = stored.batch
        self.x, self.y = torch.from_numpy(stored.x), torch.from_numpy(stored.y)
        self.weights = [torch.from_numpy(w) for w in stored.weights]
        self.batches = torch.from_numpy(stored.order).split(stored.batch)


def prepare(stored):
    torch.set_num_threads(stored.threads)
    data = Data(stored)
    return lambda lam, half_cycle: Training(data, lam, half_cycle)


def capability():
    """The vector instructions that PyTorch's own loops use: "AVX512"."""
    return re.search("CPU capability usage: (.*)", torch.__config__.show()).group(1)


if __name__ == "__main__":
    problem.serve(f"PyTorch {torch.__version__}, {capability()}", prepare)
