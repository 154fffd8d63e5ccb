"""PyTorch's version of assignment 2's training step, timed in blocks on request.

usage: torch_step.py IMAGES FEATURES HIDDEN CLASSES BATCH LAMBDA

Reads from stdin first the standardised images (float32) and the labels (int32) as raw numbers, and
prints three lines about itself: PyTorch's version, its OpenBLAS's file and description. Then it
answers every line "run STEPS" with a line "MICROSECONDS LOSS": the processor time per step and the
last step's loss. Ends when stdin ends.
"""

import ctypes
import os
import sys
import time

# Read by OpenBLAS when it is loaded, so before the import of torch.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch  # noqa: E402

LR_MIN, LR_MAX, HALF_CYCLE = 1e-5, 1e-1, 500


def read_numbers(count, dtype):
    data = bytearray(sys.stdin.buffer.read(4 * count))
    return torch.frombuffer(data, dtype=dtype)


def cyclic_lr(step):
    position = step % (2 * HALF_CYCLE)
    rise = position if position <= HALF_CYCLE else 2 * HALF_CYCLE - position
    return LR_MIN + rise / HALF_CYCLE * (LR_MAX - LR_MIN)


class Training:
    def __init__(self, x, y, hidden, classes, batch, penalty):
        self.x, self.y, self.batch = x, y, batch
        self.batch_x = torch.empty(batch, x.shape[1])
        self.batch_y = torch.empty(batch, dtype=torch.int64)
        self.order, self.position, self.steps = None, 0, 0
        self.net = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
        )
        for layer in (self.net[0], self.net[2]):
            torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            torch.nn.init.zeros_(layer.bias)
        matrices = [p for p in self.net.parameters() if p.dim() >= 2]
        vectors = [p for p in self.net.parameters() if p.dim() < 2]
        self.sgd = torch.optim.SGD(
            [{"params": matrices, "weight_decay": 2 * penalty}, {"params": vectors}], lr=LR_MIN
        )

    def next_batch(self):
        if self.order is None or self.position + self.batch > len(self.order):
            self.order, self.position = torch.randperm(len(self.y)), 0
        indices = self.order[self.position : self.position + self.batch]
        self.position += self.batch
        torch.index_select(self.x, 0, indices, out=self.batch_x)
        torch.index_select(self.y, 0, indices, out=self.batch_y)
        return self.batch_x, self.batch_y

    def step(self):
        x, y = self.next_batch()
        self.sgd.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self.net(x), y)
        loss.backward()
        lr = cyclic_lr(self.steps)
        for group in self.sgd.param_groups:
            group["lr"] = lr
        self.sgd.step()
        self.steps += 1
        return loss

    def block(self, steps):
        start = time.process_time()
        for _ in range(steps):
            loss = self.step()
        return (time.process_time() - start) / steps * 1e6, loss.item()


def loaded_openblas():
    """The file of this process's OpenBLAS and how it describes itself, in the driver's words."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = sorted({line.split()[-1] for line in maps if "/libopenblas" in line})
    if not paths:
        return "none", "no OpenBLAS"
    library = ctypes.CDLL(paths[0])
    for function in (library.openblas_get_config, library.openblas_get_corename):
        function.restype = ctypes.c_char_p
    return paths[0], (
        f"{library.openblas_get_config().decode()}, "
        f"kernels {library.openblas_get_corename().decode()}, "
        f"threads {library.openblas_get_num_threads()}"
    )


def main():
    images, features, hidden, classes, batch = (int(word) for word in sys.argv[1:6])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x = read_numbers(images * features, torch.float32).reshape(images, features)
    y = read_numbers(images, torch.int32).long()
    training = Training(x, y, hidden, classes, batch, float(sys.argv[6]))
    training.block(2)  # so that everything is loaded
    print(torch.__version__, *loaded_openblas(), sep="\n", flush=True)
    for line in sys.stdin.buffer:
        microseconds, loss = training.block(int(line.split()[1]))
        print(f"{microseconds:.3f} {loss:.6f}", flush=True)


if __name__ == "__main__":
    main()
