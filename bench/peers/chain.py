"""Answers "OP LENGTH" lines with nanoseconds of processor time per operation."""

import sys
import time


def serve(description, run_chain):
    """run_chain(op, length) makes so many operations, one after the other, and their derivatives."""
    print(description, flush=True)
    for line in sys.stdin:
        op, length = line.split()
        start = time.process_time()
        run_chain(op, int(length))
        print((time.process_time() - start) / int(length) * 1e9, flush=True)
