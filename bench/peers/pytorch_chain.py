"""What an operation on one number costs in PyTorch, recorded and differentiated."""

import torch
import chain

OPS = {
    "scale": lambda x, p: x * 0.999,
    "add": lambda x, p: x + p,
    "mul": lambda x, p: x * p,
    "tanh": lambda x, p: torch.tanh(x),
}


def run_chain(op, length):
    function = OPS[op]
    p = torch.full((), 0.999, requires_grad=True)
    x = p
    for _ in range(length):
        x = function(x, p)
    x.backward()


if __name__ == "__main__":
    torch.set_num_threads(1)
    chain.serve(f"PyTorch {torch.__version__}", run_chain)
