"""Tensors by a formula, and the networks, for make.py, roundtrip.py and the scripts
in ../architectures, ../descent and benches/peers.

The formula: value number i (row-major) of the tensor called NAME is made from

    z = splitmix64(fnv1a64(NAME) + i),    u = (z >> 40) / 2^24    in [0, 1),

computed in float64 and rounded to float32:

    weights of convolutions and linear layers    (2u - 1) sqrt(3 / fan_in)
    weights of layer norms; layer_scale          (2u - 1) sqrt(3)
    biases, of norms too; running_mean           (2u - 1) / 10
    weights of norms; running_var                1/2 + u
    num_batches_tracked                          0
    relative_position_index                      as the network has it
    input                                        2u - 1
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def fnv1a64(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def splitmix64(x):
    """Of an array of uint64, which wraps around."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


# The published test values of both functions.
assert fnv1a64("a") == 0xAF63DC4C8601EC8C
assert splitmix64(np.zeros(1, np.uint64))[0] == 0xE220A8397B1DCDAF


def uniform(name, shape):
    """u of the formula, float64."""
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    z = splitmix64(np.uint64(fnv1a64(name)) + i)
    return ((z >> np.uint64(40)) / 2.0**24).reshape(shape)


def signed(name, shape):
    """2u - 1, as float64; exact in float32 too."""
    return 2 * uniform(name, shape) - 1


def formula_input(shape):
    return torch.from_numpy(signed("input", shape).astype(np.float32))


def formula_state(model, norm="formula", gain=1.0):
    """A state dict for the model; with norm="fresh", the norms as they are before training; weights of
    batch norms times a gain."""
    state = {}
    norms = {name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, tensor in model.state_dict().items():
        owner, _, kind = name.rpartition(".")
        shape = tuple(tensor.shape)
        if kind == "num_batches_tracked":
            state[name] = torch.zeros_like(tensor)
            continue
        if kind == "relative_position_index":
            state[name] = tensor
            continue
        if owner in norms and norm == "fresh":
            values = np.full(shape, float(kind in ("weight", "running_var")))
        elif owner in norms and kind in ("weight", "running_var"):
            values = (gain if kind == "weight" else 1.0) * (0.5 + uniform(name, shape))
        elif kind in ("bias", "running_mean"):
            values = signed(name, shape) * 0.1
        else:
            values = signed(name, shape) * np.sqrt(3 / np.prod(shape[1:]))
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


class Shortcut(nn.Module):
    """Option A of He et al.: every second pixel, and zeros as the missing channels."""

    def __init__(self, channels):
        super().__init__()
        self.each = channels // 4  # in front and behind: the input has half the channels

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.each, self.each))


class Block(nn.Module):
    def __init__(self, inputs, channels, stride, option):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride != 1 and option == "A":
            self.shortcut = Shortcut(channels)
        elif stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """The networks for CIFAR of He et al. (2016), depth 6n + 2, with the names that
    https://github.com/akamaster/pytorch_resnet_cifar10 gives to its tensors."""

    def __init__(self, depth, option="A", classes=10):
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        assert rest == 0, f"no depth 6n + 2: {depth}"
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = self.stage(16, 16, 1, blocks, option)
        self.layer2 = self.stage(16, 32, 2, blocks, option)
        self.layer3 = self.stage(32, 64, 2, blocks, option)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def stage(inputs, channels, stride, blocks, option):
        first = Block(inputs, channels, stride, option)
        return nn.Sequential(first, *(Block(channels, channels, 1, option) for _ in range(blocks - 1)))

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def imagenet(depth, classes=1000, stem="imagenet"):
    """torchvision's; with the stem for CIFAR, a 3x3 convolution and no pooling."""
    # Here, as the nets for CIFAR do without torchvision.
    import torchvision

    model = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=classes)
    if stem == "cifar":
        model.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = nn.Identity()
    return model


def replace(model, kind, make):
    """Every module of this kind by a new one."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, kind):
                setattr(parent, name, make())


def switch(model, norm=True, relu=True, padding="zeros", pool="max"):
    """The model with parts of it exchanged, in place."""
    if not norm:
        replace(model, nn.BatchNorm2d, nn.Identity)
    if not relu:
        replace(model, nn.ReLU, nn.Identity)
    if pool == "avg":
        replace(model, nn.MaxPool2d, lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=True))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = padding
    return model
