"""State dicts and logits of torchvision's networks, an oracle for those in Rust.

Run it with PyTorch, torchvision and NumPy at hand, on a CPU; it rewrites states.txt.gz,
expected.json and VERSIONS.txt beside it. With names of architectures only their cases
are made again, the others stay (all take some minutes, and 6 GB of memory):

    .venv-bench/bin/python tests/golden/architectures/make.py [vgg16 ...]

Weights and inputs come from the formula of ../resnet/nets.py, so that only names, shapes
and logits are kept. The float64 numbers are those of the same float32 weights and inputs,
computed in float64: how far float32 is from them is its own error.

states.txt.gz: for each architecture, with its 1000 classes, a line "= name" and then a
line "tensor shape" for every tensor of the state dict, in order, the shape as 64,3,7,7.

expected.json: {"cases": [case]}, and a case is

    arch                 as in torchvision
    classes
    input [N, 3, H, W]   shape of the tensor "input"
    float32, float64     logits [N, classes] in evaluation
    train                logits in training, float64, where nothing is drawn; else null
"""

import collections
import gzip
import json
import pathlib
import platform
import sys

import numpy as np
import torch
import torchvision

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "resnet"))

import nets  # noqa: E402

CLASSES = 10
USUAL = (64, 48)

# Sizes of the images: small and uneven ones, the smallest a network takes, those it was
# made for, and larger ones, so that pooling is in all its cases.
CASES = {
    "wide_resnet50_2": [USUAL],
    "wide_resnet101_2": [USUAL],
    "resnext50_32x4d": [USUAL],
    "resnext101_32x8d": [USUAL],
    "resnext101_64x4d": [USUAL],
    "alexnet": [(63, 80), (224, 224), (270, 301)],
    "vgg11": [USUAL],
    "vgg11_bn": [(32, 48), (224, 224), (260, 290)],
    "vgg13": [USUAL],
    "vgg13_bn": [USUAL],
    "vgg16": [USUAL, (224, 224)],
    "vgg16_bn": [USUAL],
    "vgg19": [USUAL],
    "vgg19_bn": [USUAL],
    "densenet121": [USUAL, (29, 45)],
    "densenet161": [USUAL],
    "densenet169": [USUAL],
    "densenet201": [USUAL],
    "mobilenet_v2": [USUAL, (33, 75)],
    "squeezenet1_0": [USUAL, (21, 38)],
    "squeezenet1_1": [USUAL, (17, 38)],
    "convnext_tiny": [USUAL, (35, 75)],
    "convnext_small": [USUAL],
    "convnext_base": [USUAL],
    "convnext_large": [USUAL],
    "mnasnet0_5": [USUAL, (33, 75)],
    "mnasnet0_75": [USUAL],
    "mnasnet1_0": [USUAL],
    "mnasnet1_3": [USUAL],
    "regnet_x_400mf": [USUAL, (35, 75)],
    "regnet_x_800mf": [USUAL],
    "regnet_x_1_6gf": [USUAL],
    "regnet_x_3_2gf": [USUAL],
    "regnet_x_8gf": [USUAL],
    "regnet_x_16gf": [USUAL],
    "regnet_x_32gf": [USUAL],
    "regnet_y_400mf": [USUAL, (35, 75)],
    "regnet_y_800mf": [USUAL],
    "regnet_y_1_6gf": [USUAL],
    "regnet_y_3_2gf": [USUAL],
    "regnet_y_8gf": [USUAL],
    "regnet_y_16gf": [USUAL],
    "regnet_y_32gf": [USUAL],
    # 2.6 GB of weights: its tensors alone.
    "regnet_y_128gf": [],
}
TRAINED = ["resnext50_32x4d", "densenet121"]


def state_lines(arch):
    # RegNets compute their widths with tensors, which must have numbers.
    with torch.device("cpu" if arch.startswith("regnet") else "meta"):
        state = getattr(torchvision.models, arch)(weights=None).state_dict()
    return [f"= {arch}"] + [f"{name} {','.join(map(str, t.shape))}" for name, t in state.items()]


@torch.no_grad()
def make(arch):
    if not CASES[arch]:
        return []
    model = getattr(torchvision.models, arch)(weights=None, num_classes=CLASSES).eval()
    state = collections.OrderedDict(nets.formula_state(model))
    # MNASNet wants to know its version.
    state._metadata = model.state_dict()._metadata
    model.load_state_dict(state)
    inputs = [nets.formula_input([2, 3, *size]) for size in CASES[arch]]
    single = [model(x) for x in inputs]
    model.double()
    double = [model(x.double()) for x in inputs]
    cases = []
    for x, a, b in zip(inputs, single, double):
        trained = model.train()(x.double()).tolist() if arch in TRAINED and x is inputs[0] else None
        error = ((a - b).abs().amax(1) / b.norm(dim=1)).max().item()
        print(f"{arch} {list(x.shape)}: norms {b.norm(dim=1).tolist()}, float32 off by {error:.1e}", flush=True)
        # Images must differ in their logits: else a dead network would pass.
        assert (b[0] - b[1]).norm() > 1e-4 * b.norm(), f"{arch}: the same for all images"
        cases.append(
            dict(
                arch=arch,
                classes=CLASSES,
                input=list(x.shape),
                float32=a.tolist(),
                float64=b.tolist(),
                train=trained,
            )
        )
    return cases


def text(case):
    return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in case.items()) + "\n}"


if __name__ == "__main__":
    # Sums in one order, whatever the machine.
    torch.set_num_threads(1)
    expected = HERE / "expected.json"
    chosen = sys.argv[1:] or list(CASES)
    made = {}
    if expected.exists():
        for case in json.loads(expected.read_text())["cases"]:
            made.setdefault(case["arch"], []).append(case)
    for arch in chosen:
        made[arch] = make(arch)
        cases = [case for arch in CASES for case in made.get(arch, [])]
        expected.write_text('{"cases": [\n' + ",\n".join(map(text, cases)) + "\n]}\n")
    lines = [line for arch in CASES for line in state_lines(arch)]
    # Without a time: the same bytes whenever it is made.
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)
    (HERE / "states.txt.gz").write_bytes(packed)
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\n"
        f"PyTorch {torch.__version__}\ntorchvision {torchvision.__version__}\n"
    )
