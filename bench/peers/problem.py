"""What every peer in Python is: a program that trains when it is asked to.

Arguments: IMAGES BATCH LAMBDA HALF_CYCLE THREADS WIDTH ...; stdin: pixels, labels, scale, shift,
order of the batches and weights as raw numbers (bench/support/problem.h), then requests, one a
line, which bench/support/peer.h lists with their answers.
"""

import ctypes
import os
import sys
import time

import numpy as np

LR_MIN, LR_MAX = 1e-5, 1e-1


class Problem:
    def __init__(self, arguments, stdin):
        images, self.batch = int(arguments[0]), int(arguments[1])
        self.lam, self.half_cycle = float(arguments[2]), int(arguments[3])
        self.threads = int(arguments[4])
        self.widths = [int(width) for width in arguments[5:]]

        def read(shape, dtype):
            count = int(np.prod(shape))
            data = bytearray(stdin.read(count * np.dtype(dtype).itemsize))
            return np.frombuffer(data, dtype).reshape(shape)

        inputs = self.widths[0]
        pixels = read((images, inputs), np.uint8)
        self.y = read(images, np.int32).astype(np.int64)
        scale, shift = read(inputs, np.float32), read(inputs, np.float32)
        self.x = np.empty((images, inputs), np.float32)
        np.multiply(pixels, scale, out=self.x)
        self.x += shift
        self.order = read(images // self.batch * self.batch, np.int32).astype(np.int64)
        self.weights = [
            read((rows, columns), np.float32)
            for columns, rows in zip(self.widths, self.widths[1:])
        ]


def cyclic_lr(step, half_cycle):
    position = step % (2 * half_cycle)
    rise = position if position <= half_cycle else 2 * half_cycle - position
    return LR_MIN + rise / half_cycle * (LR_MAX - LR_MIN)


def use_threads(count):
    """Sets OpenBLAS's threads; returns how it describes itself, as bench/support/report.cpp does."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = sorted({line.split()[-1] for line in maps if "/libopenblas" in line})
    if not paths:
        return "no OpenBLAS"
    library = ctypes.CDLL(paths[0])
    for function in (library.openblas_get_config, library.openblas_get_corename):
        function.restype = ctypes.c_char_p
    library.openblas_set_num_threads(count)
    return (
        f"{library.openblas_get_config().decode()}, "
        f"kernels {library.openblas_get_corename().decode()}, "
        f"threads {library.openblas_get_num_threads()}"
    )


def run(training, steps):
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        training.step()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return f"{wall / steps * 1e6:.3f} {processor / steps * 1e6:.3f} {training.loss():.7g} "


def train_share(begin, lambdas, steps, half_cycle):
    for lam in lambdas:
        training = begin(lam, half_cycle)
        for _ in range(steps):
            training.step()
    return training.loss()


def search(begin, words):
    """Trainings for all lambdas in forked processes, which share the images."""
    workers, steps, half_cycle = (int(word) for word in words[:3])
    lambdas = [float(word) for word in words[3:]]
    wall, before = time.perf_counter(), os.times()
    children = []
    for worker in range(workers):
        pid = os.fork()
        if pid == 0:
            train_share(begin, lambdas[worker::workers], steps, half_cycle)
            os._exit(0)
        children.append(pid)
    failed = any(os.waitpid(pid, 0)[1] != 0 for pid in children)
    wall, after = time.perf_counter() - wall, os.times()
    processor = sum(after[:4]) - sum(before[:4])
    return f"{wall:.4f} {processor:.4f} {'nan' if failed else 0}"


def serve(description, prepare):
    """Like bench::serve: prepare(problem) returns begin(lambda, half_cycle) -> training."""
    problem = Problem(sys.argv[1:], sys.stdin.buffer)
    begin = prepare(problem)
    training = begin(problem.lam, problem.half_cycle)
    print(f"{description}; {use_threads(problem.threads)}", flush=True)
    for line in sys.stdin.buffer:
        verb, *words = line.decode().split()
        print(run(training, int(words[0])) if verb == "run" else search(begin, words), flush=True)
