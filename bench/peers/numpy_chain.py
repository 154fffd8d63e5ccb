"""What an operation on an array of one number costs in NumPy, and its derivative written by hand."""

import numpy as np
import chain

K = np.float32(0.999)
# Each: the value, then the derivatives with respect to x and p, added to what p has.
FORWARD = {
    "scale": lambda x, p: x * K,
    "add": lambda x, p: x + p,
    "mul": lambda x, p: x * p,
    "tanh": lambda x, p: np.tanh(x),
}
BACKWARD = {
    "scale": lambda dy, x, y, p, dp: (dy * K, dp),
    "add": lambda dy, x, y, p, dp: (dy, dp + dy),
    "mul": lambda dy, x, y, p, dp: (dy * p, dp + dy * x),
    "tanh": lambda dy, x, y, p, dp: (dy * (1 - y * y), dp),
}


def run_chain(op, length):
    forward, backward = FORWARD[op], BACKWARD[op]
    p = np.full(1, K)
    values = [p]
    for _ in range(length):
        values.append(forward(values[-1], p))
    dy, dp = np.ones(1, np.float32), np.zeros(1, np.float32)
    for i in range(length, 0, -1):
        dy, dp = backward(dy, values[i - 1], values[i], p, dp)
    return dy + dp


if __name__ == "__main__":
    chain.serve(f"NumPy {np.__version__}", run_chain)
