#!/usr/bin/env python3
"""The PyTorch side of the benchmark of quick audits: a part of an audit of a CIFAR ResNet-20, as a good PyTorch
engineer would write it: norms folded into convolutions, channels last, images filtered by batched FFTs. Prints one
JSON object: seconds without the start, seconds of the start, and how far it is from what domfreq found: images in
counts, and relative or in nats.

  python quick.py WEIGHTS.safetensors IMAGES.npz AUDIT.json PART THREADS

Frequencies, radii and patches are those in AUDIT.json, so that both do the same.
"""

import json
import math
import pathlib
import sys
import time

BEGUN = time.perf_counter()

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).resolve()
sys.path[1:1] = [str(HERE.parents[2] / "tests/golden" / folder) for folder in ("resnet", "heatmap")]
import nets
from resnet import fold
from signs import frequencies, signs

# Faster than larger ones, as for us.
BATCH = 125
SLACK = 1e-9
MEAN, STD = (torch.tensor(v).reshape(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


class Net:
    def __init__(self, weights):
        model = nets.CifarResNet(20).eval().requires_grad_(False)
        model.load_state_dict(load_file(weights))
        self.folded = fold(model).to(memory_format=torch.channels_last)

    def seen(self, x):
        return self.folded(x.contiguous(memory_format=torch.channels_last))

    def logits(self, pixels):
        return torch.cat([self.seen((part - MEAN) / STD) for part in pixels.split(BATCH)])


def worst(all):
    """The largest in size; NaN where one is."""
    return float(np.abs(all).max())


def radii(h, w):
    """Of the half plane, in cycles per pixel."""
    return np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])


def half(h, w, chosen):
    """A mask of the half plane with the frequencies `chosen` and their conjugates."""
    mask = torch.zeros(h, w // 2 + 1, dtype=torch.bool)
    for row, col in chosen:
        mask[row % h, col] = True
        if col == 0 or 2 * col == w:
            mask[-row % h, col] = True
    return mask


@torch.inference_mode()
def heatmap(net, pixels, labels, audit):
    n, c, h, w = pixels.shape
    found = audit["heatmap"]
    seed, epsilon = found["options"]["seed"], found["options"]["epsilon"]
    clean = net.logits(pixels)
    order = {k: i for i, k in enumerate(frequencies(h, w))}
    y, x = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    counts, distances = [], []
    for entry in found["entries"]:
        row, col = entry["row"], entry["col"]
        u = np.cos(2 * math.pi * (row * y / h + col * x / w))
        u = torch.from_numpy((epsilon * u / np.sqrt((u * u).sum())).astype(np.float32))
        r = torch.from_numpy(signs(seed, order[row, col], n * c)).reshape(n, c, 1, 1)
        z = net.logits((pixels + r * u).clamp(0, 1))
        counts.append((z.argmax(1) != labels).sum().item() - entry["error"]["count"])
        far = (z - clean).double().norm(dim=1).mean().item()
        distances.append(far / entry["distance"] - 1)
    return worst(counts), worst(distances)


@torch.inference_mode()
def bands(net, pixels, labels, audit):
    n, _, h, w = pixels.shape
    radius, found = radii(h, w), audit["bands"]
    spectra = torch.fft.rfft2(pixels.double())
    clean = net.logits(pixels).argmax(1)

    def filtered(weights):
        images = torch.fft.irfft2(spectra * weights, s=(h, w)).clamp(0, 1).float()
        answers = net.logits(images).argmax(1)
        return (answers == labels).sum().item(), (answers == clean).sum().item()

    apart, cached = [], {}
    for curve in ("low", "high", "bands"):
        for point in found[curve]["points"]:
            mask = (radius > point["above"] + SLACK) & (radius <= point["upto"] + SLACK)
            mask[0, 0] = True
            if (key := mask.tobytes()) not in cached:
                cached[key] = filtered(torch.from_numpy(mask))
            right, same = cached[key]
            apart += [right - point["accuracy"]["count"], same - point["agreement"]["count"]]
    for square in found["squares"]:
        cutoff = 1 - square["cutoff"] if square["high"] else square["cutoff"]

        def inside(n):
            k = np.fft.fftfreq(n, 1 / n)
            reach = int(cutoff * (n // 2))
            return (k >= -reach) & (k < reach)

        full = np.outer(inside(h), inside(w)) != square["high"]
        mirrored = np.roll(full[::-1, ::-1], 1, (0, 1))
        weights = (full + mirrored.astype(float))[:, : w // 2 + 1] / 2
        right, same = filtered(torch.from_numpy(weights))
        apart += [right - square["accuracy"]["count"], same - square["agreement"]["count"]]
    return worst(apart), 0.0


@torch.inference_mode()
def classes(net, pixels, labels, audit):
    n, _, h, w = pixels.shape
    found = audit["dominance"]
    x = (pixels - MEAN) / STD
    spectra = torch.fft.rfft2(x)
    names = [tuple(k) for k in found["frequencies"]]
    groups = {}
    for k in names:
        groups.setdefault((k[0] < 0, abs(k[0]) // found["patch"], k[1] // found["patch"]), []).append(k)

    def answers(mask):
        images = torch.fft.irfft2(spectra * mask, s=(h, w))
        return torch.cat([net.seen(part) for part in images.split(BATCH)])

    def losses(z):
        each = F.cross_entropy(z, labels, reduction="none").double()
        return np.array([each[labels == c["class"]].mean().item() for c in found["classes"]])

    clean = losses(torch.cat([net.seen(part) for part in x.split(BATCH)]))
    place = {k: i for i, k in enumerate(names)}
    importances, counts = [], []
    for members in groups.values():
        grown = losses(answers(~half(h, w, members))) - clean
        ours = np.array([c["importance"][place[members[0]]] for c in found["classes"]])
        importances.extend(grown - ours)
    weight = [1 if row % h in (0, h - row % h) and (col == 0 or 2 * col == w) else 2 for row, col in names]
    size = [math.hypot(row / h, col / w) for row, col in names]
    for of in found["classes"]:
        order = sorted(range(len(names)), key=lambda i: (-of["importance"][i], size[i]))
        for reduced in of["reduced"]:
            wanted, held, chosen = max(int(reduced["share"] * h * w), 1), 0, []
            for i in order:
                if held >= wanted:
                    break
                chosen.append(names[i])
                held += weight[i]
            taken = answers(half(h, w, chosen)).argmax(1) == of["class"]
            for key, own in ("right", labels == of["class"]), ("wrong", labels != of["class"]):
                counts.append((taken & own).sum().item() - reduced["positives"][key]["count"])
    return worst(counts), worst(importances)


def sensitivity(net, pixels, labels, audit):
    _, _, h, w = pixels.shape
    side = max(h, w)
    rings = torch.from_numpy(np.rint(radii(h, w) * side).astype(np.int64))
    weight = torch.full((w // 2 + 1,), 2.0, dtype=torch.float64)
    weight[0] = 1
    if w % 2 == 0:
        weight[-1] = 1
    shares = []
    for part, classes in zip(pixels.split(BATCH), labels.split(BATCH)):
        x = ((part - MEAN) / STD).contiguous(memory_format=torch.channels_last).requires_grad_()
        loss = F.cross_entropy(net.folded(x), classes, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        energy = torch.fft.rfft2(gradient.double().mean(1)).abs().square() * weight
        sums = torch.zeros(len(part), int(rings.max()) + 1, dtype=torch.float64)
        sums.index_add_(1, rings.flatten(), energy.flatten(1))
        sums[:, 0] = 0
        shares.append(sums / sums.sum(1, keepdim=True))
    mean = torch.cat(shares).mean(0)
    return 0.0, worst([mean[r["radius"]].item() / r["share"]["value"] - 1 for r in audit["sensitivity"]["rings"]])


def main():
    weights, images, audit, part, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    audit = json.loads(pathlib.Path(audit).read_text())
    arrays = np.load(images)
    pixels, labels = torch.from_numpy(arrays["images"].astype(np.float32)), torch.from_numpy(arrays["labels"])
    net = Net(weights)
    start = time.perf_counter() - BEGUN
    begun = time.perf_counter()
    counts, far = {f.__name__: f for f in (heatmap, bands, classes, sensitivity)}[part](net, pixels, labels, audit)
    seconds = time.perf_counter() - begun
    found = {"torch": torch.__version__, "seconds": seconds, "start": start, "counts": counts, "far": far}
    # What is no number is no JSON, and so an error.
    print(json.dumps(found, allow_nan=False))


if __name__ == "__main__":
    main()
