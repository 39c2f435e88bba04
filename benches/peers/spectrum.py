"""Mean spectral energies with numpy.fft, scipy.fft and torch.fft, for benches/spectrum.rs.

Stand-alone, it times every peer on random images and prints one JSON object per line:

    python benches/peers/spectrum.py [THREADS]

With --serve THREADS it answers requests on stdin, one JSON object per line each way:

    {"load": FILE, "shape": [N, C, H, W]}   raw float32 images, row-major
    {"time": PEER}                          one timed run of numpy, scipy, torch or torch_plain

Every peer but torch_plain gets the best of the ways listed for it (chunk sizes, its own threads or
ours): found by trying all of them once the images are loaded, before anything is timed.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
import scipy
import scipy.fft
import torch

THREADS = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 2
torch.set_num_threads(THREADS)
POOL = ThreadPoolExecutor(THREADS)


def squared_sum(z):
    """Sum of |z|^2 over the first axis: squared in place, reduced by a matrix product (BLAS)."""
    flat = z.view(numpy.float32).reshape(len(z), -1)
    numpy.square(flat, out=flat)
    return numpy.ones(len(flat), numpy.float32) @ flat


def finish(total, x):
    """Re^2 and Im^2 summed, [C, H, W/2 + 1, 2], to the mean energy of the unitary transform."""
    n, c, h, w = x.shape
    return total.reshape(c, h, w // 2 + 1, 2).sum(-1) / (n * h * w)


def chunks(x, size):
    return [x[i : i + size] for i in range(0, len(x), size)]


def numpy_pool(x, size):
    return finish(sum(POOL.map(lambda b: squared_sum(numpy.fft.rfft2(b)), chunks(x, size))), x)


def scipy_workers(x, size):
    return finish(sum(squared_sum(scipy.fft.rfft2(b, workers=THREADS)) for b in chunks(x, size)), x)


def scipy_pool(x, size):
    return finish(sum(POOL.map(lambda b: squared_sum(scipy.fft.rfft2(b)), chunks(x, size))), x)


def torch_sum(x, size):
    t = torch.from_numpy(x)
    total = None
    for b in t.split(size):
        flat = torch.view_as_real(torch.fft.rfft2(b)).square_().view(len(b), -1)
        part = flat.sum(0)
        total = part if total is None else total.add_(part)
    return finish(total.numpy(), x)


def torch_addmv(x, size):
    t = torch.from_numpy(x)
    n, c, h, w = x.shape
    total, ones = torch.zeros(c * h * (w // 2 + 1) * 2), torch.ones(size)
    for b in t.split(size):
        flat = torch.view_as_real(torch.fft.rfft2(b)).square_().view(len(b), -1)
        total.addmv_(flat.T, ones[: len(b)])
    return finish(total.numpy(), x)


def torch_plain(x, size):
    """What one writes first: everything in one call."""
    z = torch.view_as_real(torch.fft.rfft2(torch.from_numpy(x), norm="ortho"))
    return z.square_().sum((0, -1)).numpy() / len(x)


WAYS = {
    "numpy": [numpy_pool],
    "scipy": [scipy_workers, scipy_pool],
    "torch": [torch_sum, torch_addmv],
    "torch_plain": [torch_plain],
}


def seconds(way, x, size):
    start = time.perf_counter()
    mean = way(x, size)
    return time.perf_counter() - start, mean


def choose(x):
    """The fastest way of each peer, as (function, images per chunk)."""
    # About 1, 2, 4 and 16 MiB of images, and all of them at once.
    image = x[0].nbytes
    sizes = sorted({min(len(x), max(2, (mib << 20) // image)) for mib in (1, 2, 4, 16)} | {len(x)})
    best = {}
    for peer, ways in WAYS.items():
        tries = [(way, size) for way in ways for size in (sizes if peer != "torch_plain" else [len(x)])]
        best[peer] = min(tries, key=lambda t: min(seconds(t[0], x, t[1])[0] for _ in range(2)))
    return best


def describe(best):
    return {peer: f"{way.__name__}, {size} images a call" for peer, (way, size) in best.items()}


def serve():
    versions = {"numpy": numpy.__version__, "scipy": scipy.__version__, "torch": torch.__version__}
    print(json.dumps({"versions": versions, "threads": THREADS}), flush=True)
    x = best = None
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            x = numpy.fromfile(request["load"], numpy.float32).reshape(request["shape"])
            best = choose(x)
            answer = {"ways": describe(best)}
        else:
            way, size = best[request["time"]]
            taken, mean = seconds(way, x, size)
            answer = {"seconds": taken, "mean": mean[0].astype(float).ravel().tolist()}
        print(json.dumps(answer), flush=True)


def main():
    rng = numpy.random.default_rng(0)
    for shape in [(20000, 3, 32, 32), (20000, 3, 33, 33), (2000, 3, 97, 101), (400, 3, 224, 224)]:
        x = rng.random(shape, numpy.float32)
        best = choose(x)
        times = {p: min(seconds(way, x, size)[0] for _ in range(5)) for p, (way, size) in best.items()}
        print(json.dumps({"shape": shape, "seconds": times, "ways": describe(best)}), flush=True)


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
