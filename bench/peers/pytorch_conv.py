"""A 3 x 3 convolution in PyTorch.

Answers "IMAGES IN SIDE OUT FIRST REPETITIONS" lines with the microseconds of processor time of
forward and backward; when FIRST is 1, the images' own gradient is not computed.
"""

import functools
import sys
import time

import torch


@functools.lru_cache(maxsize=None)
def operands(images, inputs, side, outputs, first):
    x = torch.randn(images, inputs, side, side, requires_grad=not first)
    w = (torch.randn(outputs, inputs, 3, 3) * 0.1).requires_grad_()
    b = torch.zeros(outputs, requires_grad=True)
    return x, w, b, torch.ones(images, outputs, side, side)


def run(x, w, b, dy, repetitions):
    forward = backward = 0
    for _ in range(repetitions):
        x.grad = w.grad = b.grad = None
        start = time.process_time()
        y = torch.nn.functional.conv2d(x, w, b, padding=1)
        middle = time.process_time()
        y.backward(dy)
        forward += middle - start
        backward += time.process_time() - middle
    return forward / repetitions * 1e6, backward / repetitions * 1e6


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    mkldnn = "with" if torch.backends.mkldnn.is_available() else "without"
    print(f"PyTorch {torch.__version__} {mkldnn} oneDNN", flush=True)
    for line in sys.stdin:
        *sizes, first, repetitions = (int(word) for word in line.split())
        print(*run(*operands(*sizes, bool(first)), repetitions), flush=True)


if __name__ == "__main__":
    main()
