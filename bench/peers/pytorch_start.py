"""Assignment 2 in PyTorch on all of CIFAR-10, for its memory and the time to its first step.

usage: pytorch_start.py [FOLDER]      (without one: random images)
"""

import os
import sys

import numpy as np
import torch

RECORDS, INPUTS, BATCH, STEPS, PENALTY = 10_000, 3072, 100, 100, 0.01


def read(folder, name):
    if folder is None:
        data = np.random.default_rng(1).integers(0, 10, (RECORDS, 1 + INPUTS), np.uint8)
    else:
        data = np.fromfile(os.path.join(folder, name), np.uint8).reshape(RECORDS, 1 + INPUTS)
    return torch.from_numpy(data[:, 1:].astype(np.float32)), torch.from_numpy(data[:, 0]).long()


def main():
    torch.set_num_threads(1)
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    parts = [read(folder, f"data_batch_{i}.bin") for i in range(1, 6)]
    x, y = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    del parts
    test_x, test_y = read(folder, "test_batch.bin")
    mean = x.mean(dim=0)
    for images in (x, test_x):
        images.sub_(mean)
    std = x.norm(dim=0) / len(x) ** 0.5  # much faster than torch.std
    for images in (x, test_x):
        images.div_(std)

    net = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10)
    )
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, weight_decay=2 * PENALTY)
    for step in range(STEPS):
        rows = torch.randint(len(y), (BATCH,))
        sgd.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        sgd.step()
        if step == 0:
            print("first step", flush=True)
    with torch.no_grad():
        print((net(test_x).argmax(1) == test_y).float().mean().item())


if __name__ == "__main__":
    main()
