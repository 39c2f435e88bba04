"""Programs of TorchScript as PyTorch saves them, and what they answer.

    python make.py

writes NAME.pt for each program, and expected.json with the logits and the gradient of the sum of the logits'
squares with respect to the images, in evaluation mode, for the images of the formula in ../resnet/nets.py
([2, 3, 16, 16], in [0, 1]).
"""

import json
import pathlib
import sys
import zipfile

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "resnet"))
import nets

SHAPE = [2, 3, 16, 16]


class Small(torch.nn.Module):
    """Of no known architecture: strides, batch norm, a gate, and dropout that evaluation must not see."""

    def __init__(self, heads: int = 1):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.deep = torch.nn.Conv2d(8, 8, 3, padding=1)
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(8, 4)
        self.heads = heads

    def logits(self, x):
        x = torch.nn.functional.silu(self.norm(self.conv(x)))
        x = torch.sigmoid(self.deep(x)) * x
        return self.head(self.drop(x.mean((2, 3))))

    def forward(self, x):
        return self.logits(x)


class Two(Small):
    def forward(self, x):
        z = self.logits(x)
        return z, -z


class Named(Small):
    def forward(self, x):
        return {"out": self.logits(x)}


class Picky(Small):
    def forward(self, x):
        assert x.shape[2] > 16, "too small a picture"
        return self.logits(x)


class One(Small):
    def forward(self, x):
        return self.logits(x).view(1, 4)


def made(kind=Small):
    torch.manual_seed(0)
    model = kind()
    with torch.no_grad():
        model.norm.running_mean.uniform_(-0.1, 0.1)
        model.norm.running_var.uniform_(0.5, 1.5)
    return model


def without_places(path):
    """Where the source was on the machine that made it is in a program's debug files, which nothing needs."""
    with zipfile.ZipFile(path) as archive:
        files = [(name, archive.read(name)) for name in archive.namelist() if not name.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)


def main():
    images = nets.formula_input(SHAPE).double().sigmoid().float()
    expected = {"torch": torch.__version__, "images": SHAPE}
    example = torch.zeros(2, 3, 16, 16)
    programs = {
        # Saved as training leaves it: evaluation is for the reader to ask for.
        "scripted": torch.jit.script(made().train()),
        "traced": torch.jit.trace(made().eval(), example),
        # The usual slip: norms and dropout stay as they were while it was traced.
        "training": torch.jit.trace(made().train(), example, check_trace=False),
        "frozen": torch.jit.freeze(torch.jit.trace(made().eval(), example)),
        "double": torch.jit.script(made().double()),
        "frozen_double": torch.jit.freeze(torch.jit.trace(made().eval().double(), example.double())),
        "two": torch.jit.script(made(Two)),
        "named": torch.jit.script(made(Named)),
        "picky": torch.jit.script(made(Picky)),
        "one": torch.jit.script(made(One)),
    }
    for name, program in programs.items():
        torch.jit.save(program, HERE / f"{name}.pt")
        without_places(HERE / f"{name}.pt")
    model, x = made().eval(), images.clone().requires_grad_()
    logits = model(x)
    logits.square().sum().backward()
    expected["logits"] = logits.tolist()
    expected["pixels"] = images.flatten().tolist()
    expected["gradient"] = x.grad.flatten().tolist()
    expected["parameters"] = {name: list(t.shape) for name, t in model.named_parameters()}
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
