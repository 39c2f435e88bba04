"""Answers of a network to filtered and mixed images in PyTorch, an oracle for the audit in Rust.

Run it with PyTorch and NumPy at hand, on a CPU; it rewrites expected.json and
VERSIONS.txt beside it (a few seconds):

    .venv-bench/bin/python tests/golden/stimuli/make.py

The network is cifar8 of ../resnet with the weights of its formula (nets.py), for 3
classes, but the last bias, which makes the mean logits zero. Pixel (channel, row, col) of image i of N, in float64 and then rounded to
float32, u being the formula's for the tensor "image<i>" [3, H, W]:

    0.3 u + 0.7 (1 + cos(2 pi ((i % 5) row / H + (i % 4) col / W + i / 7 + channel / 9))) / 2

Labels are i % 3; the network sees (pixel - mean) / std with ImageNet's numbers. All is
float64, every filter a mask over the full plane of torch.fft.fft2.

expected.json:

    size [H, W], images N
    bias [3]              linear.bias
    answers [N]           to the images as they are
    bands                 low, high, bands: per filter of the 13 radii i/12 sqrt(1/2)
        answers [N], outside   to the clipped images; values that were clipped
    swap
        answers [N][N]    to the phases of the first and the amplitudes of the second, clipped
        outside [N][N]    values that were clipped
    squares               per square filter: answers [N], clipped
    dominance
        frequencies       [row, col], each of the half plane once
        loss [3]          mean cross-entropy of each class
        without [3][k]    the same without each frequency, of normalised images
        reduced           per class and share: entries of the full plane, answers [N]
    adcs                  paper, published: [3][k] (published: of normalised images)
"""

import json
import pathlib
import platform
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "resnet"))
import nets

H, W, N, K = 12, 10, 24, 3
SHARES = [0.05, 0.2]
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(3, 1, 1)


def image(i):
    u = nets.uniform(f"image{i}", (3, H, W))
    channel, row, col = np.indices((3, H, W))
    turns = (i % 5) * row / H + (i % 4) * col / W + i / 7 + channel / 9
    return (0.3 * u + 0.7 * (1 + np.cos(2 * np.pi * turns)) / 2).astype(np.float32)


def outside(z):
    return ((z < -1e-9) | (z > 1 + 1e-9)).sum(dim=(-3, -2, -1))


@torch.no_grad()
def main():
    model = nets.CifarResNet(8, classes=K)
    model.load_state_dict(nets.formula_state(model))
    model = model.double().eval()
    x = torch.from_numpy(np.stack([image(i) for i in range(N)])).double()
    y = torch.arange(N) % K

    def normal(z):
        return (z - MEAN) / STD

    # Else it would give the same answer to everything.
    model.linear.bias.zero_()
    model.linear.bias.copy_(-model(normal(x)).mean(0).float())

    def answers(logits):
        top = logits.topk(2).values
        assert (top[..., 0] - top[..., 1]).min() > 1e-7, "a tie is no test"
        return logits.argmax(-1).tolist()

    def clipped(z):
        return answers(model(normal(z.clamp(0, 1))))

    down, right = torch.fft.fftfreq(H, dtype=torch.float64), torch.fft.fftfreq(W, dtype=torch.float64)
    radius = torch.hypot(down[:, None].expand(H, W), right[None].expand(H, W))
    mean = torch.zeros(H, W, dtype=torch.bool)
    mean[0, 0] = True
    spectrum = torch.fft.fft2(x)

    def band(above, upto):
        mask = mean | ((radius > above + 1e-9) & (radius <= upto + 1e-9))
        z = torch.fft.ifft2(spectrum * mask).real
        return {"answers": clipped(z), "outside": outside(z).sum().item()}

    most = 0.5**0.5
    radii = [most * i / 12 for i in range(13)]
    bands = {
        "low": [band(0, r) for r in radii],
        "high": [band(r, most) for r in radii],
        "bands": [band(a, b) for a, b in zip(radii, radii[1:])],
    }

    # As code/eval_spectral.py of paulgavrikov/biases_vs_generalization defines it.
    def square(cutoff, high):
        cutoff = 1 - cutoff if high else cutoff
        ry, rx = int(cutoff * (H // 2)), int(cutoff * (W // 2))
        mask = torch.zeros(H, W, dtype=torch.float64)
        mask[H // 2 - ry : H // 2 + ry, W // 2 - rx : W // 2 + rx] = 1
        kept = torch.fft.fftshift(spectrum, dim=(-2, -1)) * (1 - mask if high else mask)
        return {"answers": clipped(torch.fft.ifft2(torch.fft.ifftshift(kept, dim=(-2, -1))).real)}

    squares = [square(c, False) for c in (0.1, 0.2, 0.3, 0.5)] + [square(c, True) for c in (0.5, 0.7, 0.8, 0.9)]

    mixed = torch.fft.ifft2(spectrum.abs()[None] * torch.exp(1j * spectrum.angle())[:, None]).real
    swap = {"answers": [clipped(z) for z in mixed], "outside": outside(mixed).tolist()}
    assert (torch.diagonal(mixed, dim1=0, dim2=1).permute(3, 0, 1, 2) - x).abs().max() < 1e-12

    frequencies = []
    for r in range(H):
        for c in range(W // 2 + 1):
            own = c == 0 or 2 * c == W
            if not (own and r > H // 2):
                frequencies.append((r if r <= H // 2 else r - H, c))

    def pair(k):
        mask = torch.zeros(H, W, dtype=torch.bool)
        mask[k[0] % H, k[1] % W] = mask[-k[0] % H, -k[1] % W] = True
        return mask

    seen = torch.fft.fft2(normal(x))

    def losses(z):
        each = F.cross_entropy(model(z), y, reduction="none")
        return [each[y == c].mean().item() for c in range(K)]

    loss = losses(normal(x))
    without = [losses(torch.fft.ifft2(seen * ~pair(k)).real) for k in frequencies]
    without = np.array(without).T.tolist()
    reduced = []
    for c in range(K):
        growth = np.array(without[c]) - loss[c]
        assert np.diff(np.sort(growth)).min() > 1e-9, "a tie is no test"
        for share in SHARES:
            mask = torch.zeros(H, W, dtype=torch.bool)
            for i in np.argsort(-growth):
                if mask.sum() >= int(share * H * W):
                    break
                mask |= pair(frequencies[i])
            z = torch.fft.ifft2(seen * mask).real
            reduced.append({"entries": mask.sum().item(), "answers": answers(model(z))})

    def at(planes):
        return [[plane[r % H, c].item() for r, c in frequencies] for plane in planes]

    amplitudes = spectrum.abs()
    e = [amplitudes[y == c].mean(0) for c in range(K)]
    paper = [sum(torch.sign(e[c] - e[d]) for d in range(K) if d != c).mean(0) for c in range(K)]
    e = [seen.abs()[y == c].sum(0) for c in range(K)]
    grey = torch.tensor([0.2989, 0.5870, 0.1140], dtype=torch.float64).view(3, 1, 1)
    sign = lambda d: torch.where((grey * d).sum(0) > 0, 1.0, -1.0)
    published = [sum(sign(e[c] - e[d]) for d in range(K)) for c in range(K)]

    plain = answers(model(normal(x)))
    assert len(set(plain)) > 1, "the same answer to everything"
    out = {
        "size": [H, W],
        "images": N,
        "bias": model.linear.bias.tolist(),
        "answers": plain,
        "bands": bands,
        "squares": squares,
        "swap": swap,
        "dominance": {"frequencies": frequencies, "loss": loss, "without": without, "reduced": reduced},
        "adcs": {"paper": at(paper), "published": at(published)},
    }
    (HERE / "expected.json").write_text(json.dumps(out) + "\n")
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\nPyTorch {torch.__version__}\n"
    )


if __name__ == "__main__":
    main()
