#!/usr/bin/env python3
"""The PyTorch side of the audit benchmark: a Fourier heat map of a CIFAR ResNet-20,
written straightforwardly, one pass over the images for each frequency. Prints one JSON
object: seconds of a plain pass, seconds per frequency, and what came out.

  python audit.py WEIGHTS.safetensors IMAGES.npz SEED EPSILON ROW,COL ...

IMAGES.npz holds pixels [N, 3, 32, 32] in [0, 1], labels [N], offset and scale [3]. Plain
passes and frequencies take turns; times are medians.
"""

import json
import math
import pathlib
import statistics
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[2] / "tests/golden/resnet"))
sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[2] / "tests/golden/heatmap"))
import nets
from signs import frequencies, signs

# Faster than larger ones, as for us.
BATCH = 125


@torch.inference_mode()
def main():
    weights, images, seed, epsilon, *wanted = sys.argv[1:]
    seed, epsilon = int(seed), float(epsilon)
    torch.set_num_threads(2)
    model = nets.CifarResNet(20).eval()
    model.load_state_dict(load_file(weights))
    model = model.to(memory_format=torch.channels_last)
    arrays = np.load(images)
    pixels = torch.from_numpy(arrays["pixels"].astype(np.float32))
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    mean, std = (torch.from_numpy(arrays[k].astype(np.float32)).reshape(3, 1, 1) for k in ("offset", "scale"))
    n, c, h, w = pixels.shape

    def logits(p):
        batches = ((part - mean) / std for part in p.split(BATCH))
        return torch.cat([model(x.contiguous(memory_format=torch.channels_last)) for x in batches])

    def disturbed(row, col):
        y, x = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
        u = np.cos(2 * math.pi * (row * y / h + col * x / w))
        u = torch.from_numpy((epsilon * u / np.sqrt((u * u).sum())).astype(np.float32))
        place = frequencies(h, w).index((row, col))
        r = torch.from_numpy(signs(seed, place, n * c)).reshape(n, c, 1, 1)
        z = logits((pixels + r * u).clamp(0, 1))
        return (z.argmax(1) != labels).sum().item(), (z - clean).double().norm(dim=1).mean().item()

    clean = logits(pixels)
    plain, each, entries = [], [], []
    for pair in wanted:
        row, col = map(int, pair.split(","))
        start = time.perf_counter()
        logits(pixels)
        middle = time.perf_counter()
        errors, distance = disturbed(row, col)
        each.append(time.perf_counter() - middle)
        plain.append(middle - start)
        entries.append([row, col, errors, distance])
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "plain": statistics.median(plain),
                "frequency": statistics.median(each),
                "clean": (clean.argmax(1) != labels).sum().item(),
                "entries": entries,
            }
        )
    )


if __name__ == "__main__":
    main()
