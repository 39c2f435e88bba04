"""State dicts between Rust and PyTorch: writes one that PyTorch made, or loads another.

    roundtrip.py save FILE --arch resnet18|resnet50|resnet20 [--seed 0]

writes random weights to FILE (safetensors) and to FILE.logits.json

    {"arch", "input" [N, 3, H, W], "logits" [N][classes]}

the logits in evaluation, in float32, of the tensor "input" of the formula in nets.py.

    roundtrip.py load FILE --arch ...

loads FILE with strict=True and prints the same object. resnet18 and resnet50 are
torchvision's, resnet20 is that of He et al. for CIFAR, with shortcuts A. Says what
is wrong on stderr, and exits with 1, if it fails.
"""

import argparse
import json
import pathlib
import sys

try:
    import torch
    from safetensors.torch import load_file, save_file

    import nets
except ImportError as error:
    sys.exit(f"roundtrip.py: {error}")


def build(arch):
    if arch == "resnet20":
        return nets.CifarResNet(20, "A"), [2, 3, 32, 32]
    return nets.imagenet(int(arch.removeprefix("resnet"))), [2, 3, 64, 48]


def describe(arch, model, shape):
    with torch.inference_mode():
        logits = model.eval()(nets.formula_input(shape))
    if not logits.isfinite().all():
        raise ValueError("a logit is not finite")
    return json.dumps({"arch": arch, "input": shape, "logits": logits.tolist()})


def save(args):
    torch.manual_seed(args.seed)
    model, shape = build(args.arch)
    # As they are before training, all norms are alike, and to mix them up would not show.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.uniform_(-0.1, 0.1)
            module.num_batches_tracked.random_(1, 1000)
    save_file(model.state_dict(), args.file)
    pathlib.Path(f"{args.file}.logits.json").write_text(describe(args.arch, model, shape) + "\n")


def load(args):
    model, shape = build(args.arch)
    state = load_file(args.file)
    # PyTorch casts and fills silently: another type, and counts that old files lack.
    for name, tensor in model.state_dict().items():
        if name not in state:
            raise ValueError(f"no tensor {name}")
        if state[name].dtype != tensor.dtype:
            raise ValueError(f"{name} is {state[name].dtype} and not {tensor.dtype}")
    model.load_state_dict(state, strict=True)
    print(describe(args.arch, model, shape))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["save", "load"])
    parser.add_argument("file")
    parser.add_argument("--arch", choices=["resnet18", "resnet50", "resnet20"], required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        {"save": save, "load": load}[args.action](args)
    except Exception as error:
        sys.exit(f"roundtrip.py: {args.action} {args.file}: {error}")


if __name__ == "__main__":
    main()
