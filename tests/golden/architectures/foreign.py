"""The same networks under the names of other libraries, and their logits there.

Run it with PyTorch, torchvision, transformers, timm and NumPy at hand, on a CPU; it rewrites foreign.json
and FOREIGN-VERSIONS.txt beside it (a minute):

    .venv-bench/bin/python tests/golden/architectures/foreign.py

Weights and inputs come from the formula of ../resnet/nets.py, by the names that the library gives.

foreign.json: {"cases": [case], "variants": [case]}: variants have other layers between the same tensors. A
case is

    of                  whose names they are, as in src/blueprint/names.rs
    arch                torchvision's name of the network, of variants the library's
    tensors             [[name, shape]] of its state dict, in order
    input [N, 3, H, W]  shape of the tensor "input"
    logits [N, K]       in evaluation, float32; null of a network without a head
"""

import json
import pathlib
import platform
import sys

import numpy as np
import timm
import torch
import torchvision
import transformers
from timm.models.convnext import checkpoint_filter_fn
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "resnet"))

import nets  # noqa: E402

CLASSES = 10


class OldMobileNet(nn.Module):
    """MobileNetV2 with its layers numbered through."""

    def __init__(self):
        super().__init__()

        def layer(i, o, size, stride, groups=1):
            return [nn.Conv2d(i, o, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]

        class Block(nn.Module):
            def __init__(self, i, o, stride, widen):
                super().__init__()
                h = i * widen
                layers = [*layer(i, h, 1, 1), nn.ReLU6()] if widen > 1 else []
                self.conv = nn.Sequential(*layers, *layer(h, h, 3, stride, h), nn.ReLU6(), *layer(h, o, 1, 1))
                self.adds = stride == 1 and i == o

            def forward(self, x):
                return x + self.conv(x) if self.adds else self.conv(x)

        features, at = [nn.Sequential(*layer(3, 32, 3, 2), nn.ReLU6())], 32
        for widen, out, count, stride in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
        ):
            for i in range(count):
                features.append(Block(at, out, stride if i == 0 else 1, widen))
                at = out
        features.append(nn.Sequential(*layer(at, 1280, 1, 1), nn.ReLU6()))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, CLASSES))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class CifarResNet(torchvision.models.ResNet):
    """ResNet-18 or 50 for images of 32 pixels, whose state has `shortcut` and `linear`."""

    def __init__(self, block, blocks):
        super().__init__(block, blocks, num_classes=CLASSES)
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.maxpool = nn.Identity()

    def state_dict(self, *args, **kwargs):
        state = super().state_dict(*args, **kwargs)
        return {name.replace("downsample", "shortcut").replace("fc.", "linear."): t for name, t in state.items()}

    def load_state_dict(self, state):
        state = {name.replace("shortcut", "downsample").replace("linear.", "fc."): t for name, t in state.items()}
        return super().load_state_dict(state)

    def named_modules(self, *args, **kwargs):
        for name, module in super().named_modules(*args, **kwargs):
            yield name.replace("downsample", "shortcut"), module


def case(of, arch, model, size, forward=None):
    model.eval()
    state = nets.formula_state(model)
    model.load_state_dict(state)
    x = nets.formula_input([2, 3, *size])
    with torch.no_grad():
        logits = (forward or model)(x)
    assert (logits[0] - logits[1]).norm() > 1e-4 * logits[0].norm(), f"{arch}: the same for all images"
    tensors = [[name, list(t.shape)] for name, t in state.items()]
    print(f"{of}: {arch}, {len(tensors)} tensors", flush=True)
    return dict(of=of, arch=arch, tensors=tensors, input=list(x.shape), logits=logits.tolist())


def authors(size):
    """ConvNeXt by its authors' names, which timm translates."""
    model = timm.create_model("convnext_tiny", num_classes=CLASSES).eval()
    names = {}
    for name, tensor in model.state_dict().items():
        # Sizes of its own tell which tensor is where.
        own = name.replace("stem.", "downsample_layers.0.").replace("blocks.", "").replace("conv_dw", "dwconv")
        own = own.replace("mlp.fc", "pwconv").replace("head.norm.", "norm.").replace("head.fc.", "head.")
        parts = own.split(".")
        if "downsample" in parts:
            own = f"downsample_layers.{parts[1]}.{'.'.join(parts[3:])}"
        names[own] = tensor
    state = {}
    for name, tensor in names.items():
        shape, kind = tuple(tensor.shape), name.rpartition(".")[2]
        scale = 0.1 if kind == "bias" else np.sqrt(3 / np.prod(shape[1:]))
        state[name] = torch.from_numpy((nets.signed(name, shape) * scale).astype(np.float32))
    model.load_state_dict(checkpoint_filter_fn(dict(state), model), strict=True)
    x = nets.formula_input([2, 3, *size])
    with torch.no_grad():
        logits = model(x)
    tensors = [[name, list(t.shape)] for name, t in state.items()]
    print(f"authors: convnext_tiny, {len(tensors)} tensors", flush=True)
    return dict(of="ConvNeXts of their authors", arch="convnext_tiny", tensors=tensors, input=list(x.shape),
                logits=logits.tolist())


if __name__ == "__main__":
    torch.set_num_threads(1)
    size = (64, 48)
    config = dict(num_labels=CLASSES)
    basic = transformers.ResNetConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic", **config
    )
    small = transformers.ResNetForImageClassification(basic)
    large = transformers.ResNetForImageClassification(transformers.ResNetConfig(**config))
    next_ = transformers.ConvNextForImageClassification(transformers.ConvNextConfig(**config))
    resnets, convnexts = (f"{kind} in transformers (Hugging Face)" for kind in ("ResNets", "ConvNeXts"))
    block, bottleneck = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck
    cifar = "ResNets for CIFAR with the layers of ResNet-18 (pytorch-cifar)"
    cases = [
        case(resnets, "resnet18", small, size, lambda x: small(x).logits),
        case(resnets, "resnet50", large, size, lambda x: large(x).logits),
        case(convnexts, "convnext_tiny", next_, size, lambda x: next_(x).logits),
        case("ConvNeXts in timm", "convnext_tiny", timm.create_model("convnext_tiny", num_classes=CLASSES), size),
        authors(size),
        case(cifar, "resnet18", CifarResNet(block, [2, 2, 2, 2]), (32, 32)),
        case(cifar, "resnet50", CifarResNet(bottleneck, [3, 4, 6, 3]), (32, 32)),
        case("MobileNetV2 in torchvision before 0.5", "mobilenet_v2", OldMobileNet(), size),
        case(
            "vision transformers in timm (DeiT, DINO, MAE)",
            "vit_b_32",
            timm.create_model("vit_base_patch32_224", num_classes=CLASSES, img_size=96),
            (96, 96),
        ),
    ]
    # Sides that are odd at each stage where the network takes them.
    sizes = {"resnetaa50": (64, 96), "resnetblur50": (61, 47)}
    variants = [
        case("ResNets in timm", arch, timm.create_model(arch, num_classes=CLASSES), size)
        for arch, size in sizes.items()
    ]
    cases, variants = (",\n".join(json.dumps(case) for case in some) for some in (cases, variants))
    (HERE / "foreign.json").write_text('{"cases": [\n' + cases + '\n], "variants": [\n' + variants + "\n]}\n")
    (HERE / "FOREIGN-VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\nPyTorch {torch.__version__}\n"
        f"torchvision {torchvision.__version__}\ntransformers {transformers.__version__}\ntimm {timm.__version__}\n"
    )
