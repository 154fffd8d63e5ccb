"""The training of a two-layer network in NumPy, as a student of the course would write it."""

import numpy as np
import problem


class Training:
    def __init__(self, data, lam, half_cycle):
        self.data, self.lam, self.half_cycle, self.steps = data, lam, half_cycle, 0
        self.w1, self.w2 = (w.copy() for w in data.weights)
        self.b1 = np.zeros(self.w1.shape[0], np.float32)
        self.b2 = np.zeros(self.w2.shape[0], np.float32)

    def step(self):
        n = self.data.batch
        begin = self.steps * n % len(self.data.order)
        rows = self.data.order[begin : begin + n]
        x, y = self.data.x[rows], self.data.y[rows]

        h = np.maximum(x @ self.w1.T + self.b1, 0)
        s = h @ self.w2.T + self.b2
        p = np.exp(s - s.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        self.last = -np.log(p[np.arange(n), y]).mean()

        g = p
        g[np.arange(n), y] -= 1
        g /= n
        grad_w2 = g.T @ h + 2 * self.lam * self.w2
        grad_b2 = g.sum(axis=0)
        g = (g @ self.w2) * (h > 0)
        grad_w1 = g.T @ x + 2 * self.lam * self.w1
        grad_b1 = g.sum(axis=0)

        eta = problem.cyclic_lr(self.steps, self.half_cycle)
        self.w1 -= eta * grad_w1
        self.b1 -= eta * grad_b1
        self.w2 -= eta * grad_w2
        self.b2 -= eta * grad_b2
        self.steps += 1

    def loss(self):
        return float(self.last)


if __name__ == "__main__":
    problem.serve(
        f"NumPy {np.__version__}",
        lambda data: lambda lam, half_cycle: Training(data, lam, half_cycle),
    )
