"""State dicts and logits of torchvision's networks, an oracle for those in Rust.

Run it with PyTorch, torchvision and NumPy at hand, on a CPU; it rewrites states.txt.gz,
expected.json and VERSIONS.txt beside it. With names of architectures only their cases
are made again, the others stay (all take some minutes, and 6 GB of memory):

    .venv-bench/bin/python tests/golden/architectures/make.py [vgg16 ...]

Weights and inputs come from the formula of ../resnet/nets.py, so that only names, shapes
and logits are kept. The float64 numbers are those of the same float32 weights and inputs,
computed in float64: how far float32 is from them is its own error.

states.txt.gz: for each architecture, with its 1000 classes, a line "= name" and then a
line "tensor shape" for every tensor of the state dict, in order, the shape as 64,3,7,7. Vision
transformers are those for images of 224x224. Networks with heads that answer in training alone come
again at the end, with these. The last line, "# name name ...", has all networks for classification
that torchvision lists.

expected.json: {"cases": [case]}, and a case is

    arch                 as in torchvision
    classes
    gain                 factor of the weights of batch norms
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
    "resnet18": [USUAL],
    "resnet34": [USUAL],
    "resnet50": [USUAL],
    "resnet101": [USUAL],
    "resnet152": [USUAL],
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
    "mobilenet_v3_large": [USUAL],
    "mobilenet_v3_small": [USUAL, (33, 75)],
    "efficientnet_b0": [USUAL, (33, 75)],
    "efficientnet_b1": [USUAL],
    "efficientnet_b2": [USUAL],
    "efficientnet_b3": [USUAL],
    "efficientnet_b4": [USUAL],
    "efficientnet_b5": [USUAL],
    "efficientnet_b6": [USUAL],
    "efficientnet_b7": [USUAL],
    "efficientnet_v2_s": [USUAL],
    "efficientnet_v2_m": [USUAL],
    "efficientnet_v2_l": [USUAL],
    "shufflenet_v2_x0_5": [USUAL, (33, 75)],
    "shufflenet_v2_x1_0": [USUAL],
    "shufflenet_v2_x1_5": [USUAL],
    "shufflenet_v2_x2_0": [USUAL],
    "googlenet": [USUAL, (35, 75)],
    "inception_v3": [(75, 96), (107, 83)],
    "vit_b_16": [(64, 64)],
    "vit_b_32": [(96, 96)],
    "vit_l_16": [(48, 48)],
    "vit_l_32": [(64, 64)],
    # 2.5 GB of weights.
    "vit_h_14": [],
    # Smaller than a window, with windows that end beyond the edge, and with one row of windows.
    "swin_t": [USUAL, (130, 45)],
    "swin_s": [USUAL],
    "swin_b": [USUAL],
    "swin_v2_t": [USUAL, (130, 45)],
    "swin_v2_s": [USUAL],
    "swin_v2_b": [USUAL],
    "maxvit_t": [(224, 224), (448, 448)],
}
TRAINED = ["resnext50_32x4d", "densenet121"]


# Vision transformers are for images of one size; MaxViT's grids are counted when it is made.
SIZED = {"vit": "image_size", "maxvit": "input_size"}
# With heads that answer in training alone.
AUXILIARY = ("googlenet", "inception_v3")


# Weights of batch norms times this: in what halves its values again and again (gates, swishes), images
# would not differ in the end.
GAIN = {"efficientnet_b": 1.3, "mobilenet_v3": 1.25, "inception": 1.25}


def gain(arch):
    return next((gain for start, gain in GAIN.items() if arch.startswith(start)), 1.0)


def build(arch, classes, size=(224, 224), auxiliary=False):
    options = dict(weights=None, num_classes=classes)
    family = arch.split("_")[0]
    if family in SIZED:
        options[SIZED[family]] = size[0] if family == "vit" else size
    if arch in AUXILIARY:
        options.update(aux_logits=auxiliary, init_weights=False)
    return getattr(torchvision.models, arch)(**options)


def state_lines(arch, auxiliary=False):
    # RegNets compute their widths with tensors, which must have numbers; so do the tables of distances.
    with torch.device("cpu" if arch.startswith(("regnet", "swin", "maxvit")) else "meta"):
        state = build(arch, 1000, auxiliary=auxiliary).state_dict()
    return [f"= {arch}"] + [f"{name} {','.join(map(str, t.shape))}" for name, t in state.items()]


@torch.no_grad()
def make(arch):
    if not CASES[arch]:
        return []
    inputs, single, double = [], [], []
    for size in CASES[arch]:
        model = build(arch, CLASSES, size).eval()
        state = collections.OrderedDict(nets.formula_state(model, gain=gain(arch)))
        # MNASNet wants to know its version.
        state._metadata = model.state_dict()._metadata
        model.load_state_dict(state)
        inputs.append(nets.formula_input([2, 3, *size]))
        single.append(model(inputs[-1]))
        model.double()
        double.append(model(inputs[-1].double()))
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
                gain=gain(arch),
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
    lines += [line for arch in AUXILIARY for line in state_lines(arch, auxiliary=True)]
    # All that torchvision has for classification, those with their own file aside.
    names = torchvision.models.list_models(module=torchvision.models)
    lines += ["# " + " ".join(names)]
    # Without a time: the same bytes whenever it is made.
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)
    (HERE / "states.txt.gz").write_bytes(packed)
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\n"
        f"PyTorch {torch.__version__}\ntorchvision {torchvision.__version__}\n"
    )
