"""State dicts and logits of ResNets in PyTorch and torchvision, an oracle for the networks in Rust.

Run it with PyTorch, torchvision and NumPy at hand, on a CPU; it rewrites expected.json
and VERSIONS.txt beside it (a minute or two):

    .venv-bench/bin/python tests/golden/resnet/make.py

Weights and inputs come from a formula (nets.py), so that only names, shapes and logits
are kept. The float64 numbers are those of the same float32 weights and inputs, computed
in float64: how far float32 is from them is its own error.

expected.json: {"cases": [case]}, and a case is

    name
    arch                 resnet18, ... as in torchvision, or cifar8, ... as in He et al.
    classes, stem        stem: imagenet, or cifar (3x3, stride 1, no pooling)
    shortcut             A or B; null for torchvision's, which are B with strides
    norm, relu           false: left out
    padding, pool        zeros or circular; max, avg (3x3, stride 2, padding 1 that
                         counts as zeros in the mean) or null
    input [N, 3, H, W]   shape of the tensor "input"
    state                [name, shape] of every tensor of the state dict, in order
    float32, float64     {eval, train}, each with
        logits [N, k]        all, or the first 16 where there are 1000 classes
        norms [N]            root of the sum of squares of all logits of an image
                         and train, batch statistics in its norms, also with
        running_mean [4], running_var [4]
                             of bn1 after this one pass, the first four; null without norm

The ends of deep networks are far apart in size: an error is to be seen against the norms.
"""

import json
import pathlib
import platform
import re
import sys

import numpy as np
import torch
import torchvision

import nets

HERE = pathlib.Path(__file__).resolve().parent
KEPT = 16

# name: arch, and what differs from the plain network
CASES = {
    "resnet18": ("resnet18", {}),
    "resnet34": ("resnet34", {}),
    "resnet50": ("resnet50", {}),
    "resnet101": ("resnet101", {}),
    "resnet152": ("resnet152", {}),
    "resnet18_cifar": ("resnet18", dict(stem="cifar", classes=10, size=(32, 32))),
    "resnet18_linear": ("resnet18", dict(relu=False, padding="circular", pool="avg")),
    "cifar8": ("cifar8", {}),
    "cifar20": ("cifar20", {}),
    "cifar20_wide": ("cifar20", dict(size=(24, 32))),
    "cifar20_b": ("cifar20", dict(shortcut="B", size=(24, 32))),
    "cifar110": ("cifar110", {}),
    "cifar20_linear": ("cifar20", dict(norm=False, relu=False, padding="circular", size=(24, 32))),
}


def settings(arch, changes):
    cifar = arch.startswith("cifar")
    case = dict(
        arch=arch,
        classes=10 if cifar else 1000,
        stem="cifar" if cifar else "imagenet",
        shortcut="A" if cifar else None,
        norm=True,
        relu=True,
        padding="zeros",
        pool="max",
        size=(32, 32) if cifar else (64, 48),
    )
    case.update(changes)
    if case["stem"] == "cifar":
        case["pool"] = None
    case["input"] = [2, 3, *case.pop("size")]
    return case


def build(case):
    cifar, depth = re.fullmatch("(cifar)?(?:resnet)?(\\d+)", case["arch"]).groups()
    depth = int(depth)
    if cifar:
        model = nets.CifarResNet(depth, case["shortcut"], case["classes"])
    else:
        model = nets.imagenet(depth, case["classes"], case["stem"])
    return nets.switch(model, case["norm"], case["relu"], case["padding"], case["pool"])


def measure(model, x):
    """Logits in both modes; the pass in training changes the model's running statistics."""

    def logits(out):
        norms = out.double().square().sum(1).sqrt()
        return {"logits": (out[:, :KEPT]).tolist(), "norms": norms.tolist()}

    with torch.no_grad():
        found = {"eval": logits(model.eval()(x)), "train": logits(model.train()(x))}
    norm = isinstance(model.bn1, torch.nn.BatchNorm2d)
    for name in ("running_mean", "running_var"):
        found["train"][name] = getattr(model.bn1, name)[:4].tolist() if norm else None
    return found


@torch.no_grad()
def check(name, case, model, x):
    """What must hold whatever the weights are, in float64."""
    model.eval()
    if case["padding"] == "circular" and case["pool"] is None:
        # Strides of 4 in all, and a mean over all pixels: a shift by 4 is not seen.
        shifted = model(x.roll((4, -8), (2, 3)))
        assert torch.allclose(shifted, model(x), rtol=1e-12), f"{name}: not invariant"
    y = x.flip(2) * 0.7
    origin = model(torch.zeros_like(x))
    error = ((model(x + y) - model(x) - model(y) + origin).norm() / model(x).norm()).item()
    assert (error < 1e-12) == (not case["relu"]), f"{name}: linear but for {error}"


def far(a, b):
    """The largest distance of two lists of logits, relative to the norm of an image's logits."""
    distance = np.abs(np.array(a["logits"]) - np.array(b["logits"])).max(axis=1)
    return (distance / np.array(b["norms"])).max()


def make(name):
    case = settings(*CASES[name])
    model = build(case)
    state = nets.formula_state(model)
    x = nets.formula_input(case["input"])
    for precision in (torch.float32, torch.float64):
        model.load_state_dict(state)
        case[str(precision).removeprefix("torch.")] = measure(model.to(precision), x.to(precision))
    model.load_state_dict(state)
    check(name, case, model, x.double())
    errors = {mode: far(case["float32"][mode], case["float64"][mode]) for mode in ("eval", "train")}
    spread = {mode: case["float64"][mode]["norms"] for mode in errors}
    print(
        f"{name}: {sum(t.numel() for t in model.parameters())} parameters, {len(state)} tensors, "
        + "; ".join(f"{m}: norms {np.round(spread[m], 3)}, float32 off by {errors[m]:.1e}" for m in errors),
        flush=True,
    )
    return {"name": name, **case, "state": [[key, list(t.shape)] for key, t in state.items()]}


def text(case):
    """One line per field and per tensor: short, and differences can be read."""

    def field(key, value):
        if key == "state":
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            return f'"state": [\n{rows}\n]'
        if isinstance(value, dict):
            inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            return f"{json.dumps(key)}: {{\n{inner}\n}}"
        return f"{json.dumps(key)}: {json.dumps(value)}"

    return "{\n" + ",\n".join(field(key, value) for key, value in case.items()) + "\n}"


if __name__ == "__main__":
    # Sums in one order, whatever the machine.
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or list(CASES)
    cases = [make(name) for name in CASES if name in chosen]
    if chosen == list(CASES):
        written = '{"cases": [\n' + ",\n".join(text(case) for case in cases) + "\n]}\n"
        assert json.loads(written)["cases"] == json.loads(json.dumps(cases))
        (HERE / "expected.json").write_text(written)
        (HERE / "VERSIONS.txt").write_text(
            f"Python {platform.python_version()}\nNumPy {np.__version__}\n"
            f"PyTorch {torch.__version__}\ntorchvision {torchvision.__version__}\n"
        )
