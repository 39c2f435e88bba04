"""Steps of PyTorch's optimisers, schedules and losses, an oracle for those in Rust.

Run it with PyTorch and NumPy at hand, on a CPU; it rewrites expected.json and
VERSIONS.txt beside it (some minutes):

    .venv-bench/bin/python tests/golden/descent/make.py

Weights, inputs and constants come from the formula in ../resnet/nets.py. Everything
is float64 where nothing else is said.

expected.json:

    problem       loss: the formula; of the tensors with these names, [3, 2] w, A, B and
                  [2] b, C, all are 2u - 1, but B is 1/2 + u
    optimisers    per name the settings, and
        loss [12]        before each step
        w [12][3][2], b [12][2]
                         after each step
        norm [12]        with clipping only: of all gradients, before it
    average       decay, and w, b as above: averages over the sequence "sgd"
    schedules     per name the settings, and lr [40]: the rate of each step from 0 on
    losses        logits [4, 5] are 3 (2u - 1) of "logits"; labels, and per smoothing
                  each [4] (one per row), mean and the mean's gradient [4][5]
    fifty         settings, and runs: per learning rate the 50 losses, each before its
                  step, in float32 and in float64

The 50 steps train the network cifar20 of ../resnet on 256 images. Weights of
convolutions and the linear layer, and its bias, are those of the formula; norms start
at weight 1, bias 0, mean 0, variance 1. Pixel (channel, row, col) of image i, in
float64 and then rounded to float32, with labels i % 10:

    (2u - 1 of tensor "image<i>" [3, 32, 32])
        + cos(2 pi ((label % 4 + 1) col + (label // 4 + 1) row) / 32) / 2

Training amplifies rounding. Weights changed by 1e-15 of their sizes move the float64
losses by 3e-9 at most at rate 0.1, and by 1e-14 at 0.01: those are to be compared.
The float32 losses at rate 0.1 are others altogether after 10 steps, and with another
number of threads too; only the same sums in the same order give them again.
"""

import json
import math
import pathlib
import platform
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import SGD, AdamW, lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "resnet"))
import nets

STEPS = 12
LOSS = "sum(A w) + sum(B w^2) / 2 + sum(C b) + sum(b^4) / 4"

OPTIMISERS = {
    "sgd": (SGD, dict(lr=0.1), None),
    "momentum": (SGD, dict(lr=0.1, momentum=0.9), None),
    "nesterov": (SGD, dict(lr=0.1, momentum=0.9, nesterov=True), None),
    "decay": (SGD, dict(lr=0.1, momentum=0.9, weight_decay=5e-2), None),
    "adamw": (AdamW, dict(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1), None),
    "adamw_fast": (AdamW, dict(lr=0.1, betas=(0.8, 0.95), eps=1e-8, weight_decay=0.1), None),
    "clipped": (SGD, dict(lr=0.1), 0.5),
    # Reaches gradients that are short enough.
    "clipped_first": (SGD, dict(lr=0.1), 1.4),
}


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


class Problem(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(tensor(nets.signed("w", (3, 2))))
        self.b = torch.nn.Parameter(tensor(nets.signed("b", (2,))))
        self.A, self.C = tensor(nets.signed("A", (3, 2))), tensor(nets.signed("C", (2,)))
        self.B = tensor(0.5 + nets.uniform("B", (3, 2)))

    def forward(self):
        w, b = self.w, self.b
        return (self.A * w).sum() + 0.5 * (self.B * w**2).sum() + (self.C * b).sum() + 0.25 * (b**4).sum()


def optimiser(kind, settings, limit):
    problem = Problem()
    found = {"loss": [], "w": [], "b": []}
    # A copy of the first weights, then decay * average + (1 - decay) * weights.
    average = AveragedModel(problem, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    average.update_parameters(problem)
    averages = {"w": [], "b": []}
    by_hand = problem.w.detach().clone()
    steps = kind(problem.parameters(), **settings)
    for _ in range(STEPS):
        steps.zero_grad()
        loss = problem()
        loss.backward()
        found["loss"].append(loss.item())
        if limit is not None:
            norm = torch.nn.utils.clip_grad_norm_(problem.parameters(), limit)
            found.setdefault("norm", []).append(norm.item())
        steps.step()
        average.update_parameters(problem)
        by_hand = 0.9 * by_hand + 0.1 * problem.w.detach()
        assert torch.allclose(average.module.w, by_hand, rtol=1e-14, atol=1e-15)
        for name in ("w", "b"):
            found[name].append(getattr(problem, name).tolist())
            averages[name].append(getattr(average.module, name).tolist())
    settings = {"kind": kind.__name__, **settings}
    if limit is not None:
        # PyTorch: gradients times min(1, limit / (norm + 1e-6)).
        settings["clip"] = limit
    return {**settings, **found}, averages


def rates(make, momentum=0.0):
    """What PyTorch's schedule sets for 40 steps at a rate of 0.1."""
    steps = SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=momentum)
    schedule, found = make(steps), []
    for _ in range(40):
        found.append(steps.param_groups[0]["lr"])
        steps.step()
        # OneCycleLR counts its steps and would not take one past the last.
        if len(found) < 40:
            schedule.step()
    return found


def schedules():
    eta, total, warm = 0.1, 40, 5
    cosine = [eta / 2 * (1 + math.cos(math.pi * t / total)) for t in range(total)]
    warmed = [eta * (t + 1) / warm for t in range(warm)]
    warmed += [eta / 2 * (1 + math.cos(math.pi * (t - warm) / (total - warm))) for t in range(warm, total)]

    # The formulas are exact; PyTorch gets there from rate to rate, or by other sums.
    def same(want, make):
        assert np.allclose(want, rates(make), rtol=1e-12, atol=1e-15)

    same(cosine, lambda o: lr_scheduler.CosineAnnealingLR(o, total))
    same(
        warmed,
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, 1 / warm, 1.0, warm - 1),
                lr_scheduler.CosineAnnealingLR(o, total - warm),
            ],
            [warm],
        ),
    )
    cycle = lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.4, total_steps=total)
    return {
        "cosine": {"eta": eta, "lr": cosine},
        "multistep": {
            "eta": eta,
            "milestones": [10, 25],
            "gamma": 0.1,
            "lr": rates(lambda o: lr_scheduler.MultiStepLR(o, [10, 25], 0.1)),
        },
        "onecycle": {
            "max_lr": 0.4,
            "total_steps": total,
            "pct_start": 0.3,
            "div_factor": 25.0,
            "final_div_factor": 1e4,
            "lr": rates(cycle, momentum=0.9),
        },
        "warm_cosine": {"eta": eta, "warm": warm, "lr": warmed},
    }


def losses():
    labels = torch.tensor([2, 0, 4, 1])
    found = {"labels": labels.tolist()}
    for smoothing in (0.0, 0.1):
        logits = tensor(3 * nets.signed("logits", (4, 5))).requires_grad_()
        each = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        mean = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        mean.backward()
        found[f"smoothing_{smoothing}"] = {
            "each": each.tolist(),
            "mean": mean.item(),
            "gradient": logits.grad.tolist(),
        }
    return found


def images(count=256):
    row, col = np.mgrid[:32, :32]
    out = []
    for i in range(count):
        label = i % 10
        wave = np.cos(2 * np.pi * ((label % 4 + 1) * col + (label // 4 + 1) * row) / 32)
        out.append((nets.signed(f"image{i}", (3, 32, 32)) + 0.5 * wave).astype(np.float32))
    return torch.from_numpy(np.stack(out)), torch.arange(count) % 10


def train(lr, precision, steps=50, batch=32):
    x, labels = images()
    x = x.to(precision)
    model = nets.CifarResNet(20, "A")
    model.load_state_dict(nets.formula_state(model, norm="fresh"))
    model.to(precision).train()
    descent = SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    found = []
    for step in range(steps):
        at = slice(batch * step % len(x), batch * step % len(x) + batch)
        descent.zero_grad()
        loss = F.cross_entropy(model(x[at]), labels[at])
        loss.backward()
        descent.step()
        found.append(loss.item())
    return found


def fifty(rates):
    runs = {}
    for lr in rates:
        single, double = train(lr, torch.float32), train(lr, torch.float64)
        runs[str(lr)] = {"float32": single, "float64": double}
        off = np.abs(np.array(single) / double - 1)
        print(
            f"fifty, lr {lr}: {double[0]:.4f} to {double[-1]:.6f}; float32 is off by {off[0]:.1e} at first, "
            f"{off[9]:.1e} at step 10, {off[24]:.1e} at 25, {off[-1]:.1e} at 50, {off.max():.1e} at most",
            flush=True,
        )
    settings = {"images": 256, "batch": 32, "momentum": 0.9, "weight_decay": 1e-4}
    return {**settings, "runs": runs}


def text(value, depth=0):
    """JSON with a line per field down to the arrays."""
    if not isinstance(value, dict) or not any(isinstance(v, (dict, list)) for v in value.values()):
        return json.dumps(value)
    inner = ",\n".join(
        "  " * (depth + 1) + f"{json.dumps(k)}: {text(v, depth + 1)}" for k, v in value.items()
    )
    return "{\n" + inner + "\n" + "  " * depth + "}"


if __name__ == "__main__":
    # Sums in one order, whatever the machine.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    found, averages = {}, {}
    for name, (kind, settings, limit) in OPTIMISERS.items():
        found[name], averages[name] = optimiser(kind, settings, limit)
        print(f"{name}: loss {found[name]['loss'][0]:.4f} to {found[name]['loss'][-1]:.4f}")
    for name in ("clipped", "clipped_first"):
        print(f"{name}: norms {np.round(found[name]['norm'], 3)}", flush=True)
    out = {
        "problem": {"loss": LOSS},
        "optimisers": found,
        "average": {"decay": 0.9, **averages["sgd"]},
        "schedules": schedules(),
        "losses": losses(),
        "fifty": fifty([0.1, 0.01]),
    }
    written = text(out) + "\n"
    assert json.loads(written) == json.loads(json.dumps(out))
    (HERE / "expected.json").write_text(written)
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\nPyTorch {torch.__version__}\n"
    )
