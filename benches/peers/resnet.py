#!/usr/bin/env python3
"""The PyTorch side of the ResNet benchmark: images per second of training and of
evaluation, written the ways a good PyTorch engineer would write them. Prints one
JSON object.

Data are random, on the device before anything is timed; what is in them does not
change the time. Families:

  resnet20-train      the CIFAR ResNet-20 of He et al. (shortcuts A), batch 128: forward,
                      cross-entropy, backward, SGD with momentum and weight decay
  resnet20-eval-128   its forward pass in evaluation, batch 128
  resnet20-eval-500   and batch 500
  resnet18-train      on CUDA only: torchvision's with a stem for CIFAR, batch 512, in
                      bfloat16 (autocast)
  resnet18-224-train  and with its own stem on 224 x 224 pixels, batch 256; so
  resnet50-224-train  ResNet-50, and
  resnet50-224-eval   its evaluation

Memory formats are PyTorch's: contiguous (NCHW) and channels_last (NHWC). Folded: the
norms multiplied into the convolutions in front of them, which evaluation allows.
Compiled: torch.compile, where it works; on a CPU it needs a C++ compiler and --compile.

  python resnet.py                       all, 20 seconds a family
  python resnet.py --only eval --threads 1 --budget 60
  python resnet.py --check               the ways of each family against each other
"""

import argparse
import copy
import json
import os
import pathlib
import platform
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[2] / "tests/golden/resnet"))
import nets


def fold(model):
    """Every norm into the convolution it follows; both networks name them alike."""
    pairs = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3", "0": "1"}
    for parent in list(model.modules()):
        children = dict(parent.named_children())
        for conv, norm in pairs.items():
            if isinstance(children.get(conv), nn.Conv2d) and isinstance(children.get(norm), nn.BatchNorm2d):
                setattr(parent, conv, fuse_conv_bn_eval(children[conv], children[norm]))
                setattr(parent, norm, nn.Identity())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    return model


class Way:
    """One way to run the network; `step` does everything but time itself."""

    def __init__(self, model, batches, device, channels_last=False, compiled=False, bf16=False):
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = copy.deepcopy(model).to(device).to(memory_format=self.format)
        self.batches = [(x.to(device).contiguous(memory_format=self.format), y.to(device)) for x, y in batches]
        self.images = len(batches[0][0])
        self.cast = torch.autocast(device, torch.bfloat16, enabled=bf16)
        self.count = 0
        self.setup()
        self.run = torch.compile(self.model) if compiled else self.model

    def next(self):
        self.count += 1
        return self.batches[self.count % len(self.batches)]


class Train(Way):
    def setup(self):
        self.model.train()
        # One call for all tensors: hundreds of small ones are slow one by one.
        self.descent = torch.optim.SGD(
            self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, foreach=True
        )

    def step(self):
        x, y = self.next()
        self.descent.zero_grad(set_to_none=True)
        with self.cast:
            loss = F.cross_entropy(self.run(x), y)
        loss.backward()
        self.descent.step()
        return loss.detach()


class Evaluate(Way):
    def setup(self):
        self.model.eval()

    @torch.inference_mode()
    def step(self):
        with self.cast:
            return self.run(self.next()[0])


class Folded(Evaluate):
    def setup(self):
        self.model = fold(self.model.eval()).to(memory_format=self.format)


def batches(size, seed, side, classes=10, count=4):
    g = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 3, side, side, generator=g), torch.randint(classes, (size,), generator=g))
        for _ in range(count)
    ]


def families(args):
    """Per family: what makes its ways, by name."""
    cuda, device = args.device == "cuda", args.device

    def model(make):
        torch.manual_seed(args.seed)
        return make()

    def ways(kind, make, size, side=32, **more):
        return lambda **how: kind(model(make), batches(size, args.seed, side), device, **more, **how)

    def resnet20():
        return nets.CifarResNet(20, "A")

    def imagenet(layers, stem):
        return lambda: nets.imagenet(layers, classes=10, stem=stem)

    train = ways(Train, resnet20, 128)
    out = {
        "resnet20-train": {
            "contiguous": lambda: train(),
            "channels_last": lambda: train(channels_last=True),
        }
    }
    if cuda or args.compile:
        out["resnet20-train"]["channels_last, compiled"] = lambda: train(channels_last=True, compiled=True)
    for size in (128, 500):
        plain, folded = ways(Evaluate, resnet20, size), ways(Folded, resnet20, size)
        family = {
            "contiguous": lambda f=plain: f(),
            "channels_last": lambda f=plain: f(channels_last=True),
            "contiguous, folded": lambda f=folded: f(),
            "channels_last, folded": lambda f=folded: f(channels_last=True),
        }
        if cuda or args.compile:
            family["channels_last, folded, compiled"] = lambda f=folded: f(channels_last=True, compiled=True)
        out[f"resnet20-eval-{size}"] = family
    if cuda:
        half = {"channels_last": True, "bf16": True}
        for family, big in {
            "resnet18-train": ways(Train, imagenet(18, "cifar"), 512, **half),
            "resnet18-224-train": ways(Train, imagenet(18, "imagenet"), 256, 224, **half),
            "resnet50-224-train": ways(Train, imagenet(50, "imagenet"), 256, 224, **half),
            "resnet50-224-eval": ways(Folded, imagenet(50, "imagenet"), 256, 224, **half),
        }.items():
            out[family] = {
                "bf16, channels_last": lambda big=big: big(),
                "bf16, channels_last, compiled": lambda big=big: big(compiled=True),
            }
    return out


def block(way, steps, wait):
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        last = way.step()
    wait()
    seconds = time.perf_counter() - start
    if not last.isfinite().all().item():
        raise SystemExit("not finite")
    return seconds / steps


def measure(ways, budget, wait, least=5):
    """Images per second: the median over blocks of steps. The ways take turns, so that
    a busy spell of the machine does not fall on one of them, for about `budget` seconds
    in all but at least `least` turns."""
    steps = {}
    for name, way in ways.items():
        # The first steps warm up: primitives, the allocator, compilation.
        for _ in range(3):
            once = block(way, 1, wait)
        # Long enough for the clock, short enough for many turns.
        steps[name] = max(1, min(50, int(budget / (10 * len(ways) * once))))
    times = {name: [] for name in ways}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or min(map(len, times.values())) < least:
        for name, way in ways.items():
            times[name].append(block(way, steps[name], wait))
    return {
        name: {
            "images_per_s": way.images / statistics.median(times[name]),
            "least": way.images / max(times[name]),
            "most": way.images / min(times[name]),
            "steps": steps[name],
            "repeats": len(times[name]),
        }
        for name, way in ways.items()
    }


def best(timed):
    name = max(timed, key=lambda name: timed[name]["images_per_s"])
    return {"variant": name, "images_per_s": timed[name]["images_per_s"]}


def check(family, ways):
    """All ways of a family give the first one's logits or losses, over three steps."""
    first = [way.step().float() for way in [ways[next(iter(ways))]] for _ in range(3)]
    worst = 0.0
    for name, way in list(ways.items())[1:]:
        for want in first:
            got = way.step().float()
            worst = max(worst, ((got - want).norm() / want.norm()).item())
        # Of bfloat16 the ways keep 8 bits.
        if not worst < (0.05 if "bf16" in name else 1e-3):
            raise SystemExit(f"check failed: {family}/{name}: relative error {worst:.2e}")
    return worst


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="on the CPU (default %(default)s)")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds per family, about (default %(default)s)")
    parser.add_argument("--only", default="", help='part of a name, such as "resnet20-train" or "folded"')
    parser.add_argument("--compile", action="store_true", help="torch.compile on the CPU too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="compare all ways, do not time")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cuda = args.device == "cuda"
    if cuda and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch sees no device")
    wait = torch.cuda.synchronize if cuda else lambda: None
    if cuda and not args.check:
        # The shapes never change: the fastest algorithm of each, and TF32 as is usual.
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    elif cuda:
        torch.backends.cudnn.allow_tf32 = False

    load = os.getloadavg()[0]
    results = {}
    for family, makers in families(args).items():
        chosen = {name: make for name, make in makers.items() if args.only in f"{family}/{name}"}
        if not chosen:
            continue
        print(f"{family}: {len(chosen)} variants", file=sys.stderr, flush=True)
        ways = {name: make() for name, make in chosen.items()}
        if args.check:
            results[family] = check(family, ways)
        else:
            timed = measure(ways, args.budget, wait)
            results[family] = {"best": best(timed), "variants": timed}
        del ways
    if not results:
        parser.error(f"--only {args.only}: no such variant; there are families {', '.join(families(args))}")
    if args.check:
        print(json.dumps({"check": "ok", "largest_relative_error": results}))
        return
    host = {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "threads": torch.get_num_threads(),
        "cpu": processor(),
        "cores": os.cpu_count(),
        # Other work on the machine: numbers from a busy one are worth little.
        "load_before": load,
        "load_after": os.getloadavg()[0],
    }
    print(json.dumps({"host": host, "results": results}, indent=2))


if __name__ == "__main__":
    main()
