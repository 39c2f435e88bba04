"""Fourier heat maps in PyTorch, the straightforward way, an oracle for those in Rust.

Run it with PyTorch and NumPy at hand, on a CPU; it rewrites expected.json and
VERSIONS.txt beside it (seconds):

    .venv-bench/bin/python tests/golden/heatmap/make.py

The network is a CIFAR ResNet-8 with weights by the formula of ../resnet/nets.py, but for
the bias of its last layer, which takes the mean from the logits so that the answers to
images differ; images are blocks of 4x4 pixels by the same formula, signs are derived in signs.py. Pixels are
disturbed and cut in float32, in float64 too; normalisation and network are in the
precision named.

expected.json: {"cases": [case]}, and a case is

    shape [3, h, w], images, epsilon, seed
    bias [10]            of the last layer
    labels [N]           answers to undisturbed images, every third one changed
    clean                errors on undisturbed images
    float32, float64     list of [row, col, errors, changes, distance, se]: errors against
                         labels, answers that change, mean L2 distance of the logits and
                         its standard error
"""

import json
import math
import pathlib
import platform
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "resnet"))
import nets
from signs import frequencies, signs

MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).reshape(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).reshape(3, 1, 1)

CASES = [dict(shape=(3, 16, 16), images=20, seed=0), dict(shape=(3, 12, 16), images=9, seed=7)]


def blocks(count, shape):
    c, h, w = shape
    coarse = nets.uniform("pixels", (count, c, h // 4, w // 4)).astype(np.float32)
    return torch.from_numpy(coarse.repeat(4, 2).repeat(4, 3))


def basis(h, w, row, col):
    y, x = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    u = np.cos(2 * math.pi * (row * y / h + col * x / w))
    return u / np.sqrt((u * u).sum())


@torch.no_grad()
def heatmap(model, pixels, labels, epsilon, seed, only=None):
    """Entries as in expected.json, of all frequencies below half the sampling rate."""
    n, c, h, w = pixels.shape
    kind = next(model.parameters()).dtype

    def logits(p):
        return model(((p.to(kind) - MEAN.to(kind)) / STD.to(kind)))

    clean = logits(pixels)
    entries = []
    for place, (row, col) in enumerate(frequencies(h, w)):
        if 2 * abs(row) >= h or 2 * col >= w or (only is not None and (row, col) not in only):
            continue
        u = torch.from_numpy((epsilon * basis(h, w, row, col)).astype(np.float32))
        r = torch.from_numpy(signs(seed, place, n * c)).reshape(n, c, 1, 1)
        z = logits((pixels + r * u).clamp(0, 1))
        answers = z.argmax(1)
        distance = (z - clean).double().norm(dim=1)
        entries.append(
            [
                row,
                col,
                (answers != labels).sum().item(),
                (answers != clean.argmax(1)).sum().item(),
                distance.mean().item(),
                (distance.std() / math.sqrt(n)).item(),
            ]
        )
    return entries


def make(case):
    model = nets.CifarResNet(8).eval()
    state = nets.formula_state(model)
    c, h, w = case["shape"]
    pixels = blocks(case["images"], case["shape"])
    case = dict(case, epsilon=4 * math.sqrt(h * w) / 32)
    model.load_state_dict(state)
    with torch.no_grad():
        mean = model(((pixels - MEAN) / STD).float()).mean(0)
    case["bias"] = [round(b, 4) for b in (state["linear.bias"] - mean).tolist()]
    state["linear.bias"] = torch.tensor(case["bias"])
    for kind in (torch.float64, torch.float32):
        model.to(kind).load_state_dict(state)
        with torch.no_grad():
            answers = model((pixels.to(kind) - MEAN.to(kind)) / STD.to(kind)).argmax(1)
        if kind == torch.float64:
            labels = torch.where(torch.arange(len(answers)) % 3 == 0, (answers + 1) % 10, answers)
            case["labels"] = labels.tolist()
            case["clean"] = (answers != labels).sum().item()
        assert (answers != labels).sum().item() == case["clean"]
        name = str(kind).removeprefix("torch.")
        case[name] = heatmap(model, pixels, labels, case["epsilon"], case["seed"])
    far = max(abs(a[4] / b[4] - 1) for a, b in zip(case["float32"], case["float64"]))
    moved = [e[3] for e in case["float64"]]
    print(f"{case['shape']}: {len(moved)} frequencies, {min(moved)} to {max(moved)} of {case['images']} "
          f"answers change, {len(set(answers.tolist()))} classes; float32 off by {far:.1e}")
    return case


if __name__ == "__main__":
    torch.set_num_threads(1)
    cases = [make(case) for case in CASES]

    def field(key, value):
        if key.startswith("float"):
            return f'"{key}": [\n' + ",\n".join(json.dumps(row) for row in value) + "\n]"
        return f'"{key}": {json.dumps(value)}'

    text = ["{\n" + ",\n".join(field(*item) for item in case.items()) + "\n}" for case in cases]
    (HERE / "expected.json").write_text('{"cases": [\n' + ",\n".join(text) + "\n]}\n")
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\nPyTorch {torch.__version__}\n"
    )
