#!/usr/bin/env python3
"""The PyTorch side of the training benchmark: milliseconds per step of
full-batch gradient descent on linear networks, written the ways a good PyTorch
engineer would write them. Prints one JSON object.

Data are random: P grey images H x H, centred one-hot targets of K classes; what
is in them does not change the time. With n = H*H, M channels and hidden width h:

  lcnn-samples   h_m = w_m * x (cross-correlation, circular padding, full-size
                 kernel), y_j = sum_m <W2_jm, h_m>; forward per sample, autograd
  fcnn-samples   y = W2 W1 x, autograd
  lcnn-moments   the same LCNN on the moments Syx = <y x^T>, Sxx = <x x^T>:
                 L = tr<y y^T>/2 - tr(E Syx^T) + tr(E Sxx E^T)/2
  fcnn-moments   the same for E = W2 W1

Loss: half the mean over samples of the summed squares. Moment variants also
measure every mode strength a = diag(U^T E Sxx V) in every step.

Variants that multiply the layers out into one map before the samples are only
possible because these networks are linear; `best` counts them, and
`best_layer_by_layer` does not.

  python training.py                     all, at the default sizes
  python training.py --only lcnn --samples 2000
  python training.py --check             every variant against plain conv2d
"""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time

import torch
import torch.nn.functional as F


class Problem:
    """Data, moments, modes and starting weights, all float32."""

    def __init__(self, args):
        g = torch.Generator().manual_seed(args.seed)
        self.side, self.channels, self.classes = args.size, args.channels, args.classes
        n = self.side**2
        self.x = torch.randn(args.samples, n, generator=g)
        labels = torch.arange(args.samples) % args.classes
        self.y = F.one_hot(labels, args.classes).float()
        # A class mean, so that there are modes to follow.
        self.x += 0.3 * torch.randn(args.classes, n, generator=g)[labels]
        self.x -= self.x.mean(0)
        self.y -= self.y.mean(0)
        self.syx = self.y.T @ self.x / args.samples
        self.sxx = self.x.T @ self.x / args.samples
        self.syy = (self.y.square().sum() / args.samples).item()
        u, _, vh = torch.linalg.svd(self.syx, full_matrices=False)
        self.u, self.v = u[:, : args.classes - 1].contiguous(), vh[: args.classes - 1].T.contiguous()
        eps = args.scale
        self.w = eps * torch.randn(self.channels, self.side, self.side, generator=g)
        self.w2 = eps * torch.randn(args.classes, self.channels, self.side, self.side, generator=g)
        self.f1 = eps * torch.randn(args.hidden, n, generator=g)
        self.f2 = eps * torch.randn(args.classes, args.hidden, generator=g)
        self.images = self.x.view(-1, self.side, self.side)


class Variant:
    """One way to write the training step; `step` does everything but time itself."""

    def __init__(self, problem, lr):
        self.p, self.lr = problem, lr
        self.params = [w.clone().requires_grad_(self.autograd) for w in self.start(problem)]
        self.setup()

    autograd = True
    folds = False  # whether the layers are multiplied out before they meet a sample

    def setup(self):
        """What a training run computes once, outside its loop."""

    def step(self):
        loss = self.loss()
        grads = torch.autograd.grad(loss, self.params)
        with torch.no_grad():
            torch._foreach_add_(self.params, grads, alpha=-self.lr)
        return loss


class Samples(Variant):
    def loss(self):
        return 0.5 * (self.forward() - self.p.y).square_().sum() / len(self.p.y)


class Lcnn:
    @staticmethod
    def start(p):
        return [p.w, p.w2]


class Fcnn:
    @staticmethod
    def start(p):
        return [p.f1, p.f2]


class LcnnConv(Lcnn, Samples):
    """F.pad(mode="circular"), conv2d, dense."""

    def forward(self):
        w, w2 = self.params
        side = self.p.side
        padded = F.pad(self.p.images.unsqueeze(1), (0, side - 1, 0, side - 1), mode="circular")
        return F.conv2d(padded, w.unsqueeze(1)).flatten(1) @ w2.flatten(1).T


class LcnnConvPadded(LcnnConv):
    """The same, the data padded once outside the loop."""

    def setup(self):
        side = self.p.side
        self.padded = F.pad(self.p.images.unsqueeze(1), (0, side - 1, 0, side - 1), mode="circular")

    def forward(self):
        w, w2 = self.params
        return F.conv2d(self.padded, w.unsqueeze(1)).flatten(1) @ w2.flatten(1).T


class LcnnFft(Lcnn, Samples):
    """The convolution by FFT, of the data too in every step."""

    def spectra(self):
        return torch.fft.rfft2(self.p.images)

    def forward(self):
        w, w2 = self.params
        # Cross-correlation: the kernel's spectrum is conjugated.
        z = self.spectra().unsqueeze(1) * torch.fft.rfft2(w).conj()
        h = torch.fft.irfft2(z, s=(self.p.side, self.p.side))
        return h.flatten(1) @ w2.flatten(1).T


class LcnnFftCached(LcnnFft):
    """The convolution by FFT, the spectra of the data computed once."""

    def setup(self):
        self.z = torch.fft.rfft2(self.p.images)

    def spectra(self):
        return self.z


class LcnnSpectral(Lcnn, Samples):
    """The spectra of the data computed once, and no way back: by Parseval the
    dense layer is an inner product in frequency, a real matrix product."""

    folds = True

    def setup(self):
        side = self.p.side
        z = torch.fft.rfft2(self.p.images)
        # Half a plane: the columns inside it stand for two.
        weight = torch.full((z.shape[-1],), 2.0)
        weight[0] = 1.0
        if side % 2 == 0:
            weight[-1] = 1.0
        self.z = torch.view_as_real(z).flatten(1)
        self.weight = weight / side**2

    def forward(self):
        w, w2 = self.params
        # y_j = 1/n sum_k conj(W2_j(k)) conj(w(k)) X(k), real part, over the plane.
        e = (torch.fft.rfft2(w2) * torch.fft.rfft2(w)).sum(1) * self.weight
        return self.z @ torch.view_as_real(e).flatten(1).T


class LcnnFolded(Lcnn, Samples):
    """The two layers multiplied out into one map E (K x n) before the samples."""

    folds = True

    def forward(self):
        return self.p.x @ lcnn_map(*self.params).T


class FcnnPlain(Fcnn, Samples):
    def forward(self):
        w1, w2 = self.params
        return self.p.x @ w1.T @ w2.T


class FcnnFolded(Fcnn, Samples):
    """The two layers multiplied out before the samples."""

    folds = True

    def forward(self):
        w1, w2 = self.params
        return self.p.x @ (w2 @ w1).T


def lcnn_map(w, w2):
    """E (K x n): E(k) = sum_m W2_m(k) w_m(k), unnormalised DFTs. (With unitary
    ones sqrt(n) times that.) The cross-correlation conjugates w, and the inner
    product with real inputs conjugates both factors again: no conjugate is left."""
    e = (torch.fft.rfft2(w2) * torch.fft.rfft2(w)).sum(1)
    return torch.fft.irfft2(e, s=w.shape[-2:]).flatten(1)


class Moments(Variant):
    def setup(self):
        p = self.p
        self.sv = p.sxx @ p.v  # n x modes, for a = diag(U^T E Sxx V)

    def strengths(self, e):
        return ((e.T @ self.p.u) * self.sv).sum(0)

    def loss(self):
        p, e = self.p, self.map()
        es = e @ p.sxx
        # tr(A B^T) = sum of A * B.
        loss = 0.5 * p.syy - (e * p.syx).sum() + 0.5 * (e * es).sum()
        with torch.no_grad():
            self.a = self.strengths(e)
        return loss


class ByHand(Moments):
    """R = Syx - E Sxx is minus the gradient by E, and gives the loss too:
    L = tr(yy)/2 - tr(E (Syx + R)^T)/2."""

    autograd = False

    @torch.no_grad()
    def step(self):
        p, e = self.p, self.map()
        r = torch.addmm(p.syx, e, p.sxx, alpha=-1)
        loss = 0.5 * (p.syy - torch.dot(e.flatten(), (p.syx + r).flatten()))
        self.a = self.strengths(e)
        self.descend(r)
        return loss


class LcnnMoments(Lcnn, Moments):
    def map(self):
        return lcnn_map(*self.params)


class LcnnByHand(Lcnn, ByHand):
    def map(self):
        w, w2 = self.params
        self.z, self.z2 = torch.fft.rfft2(w), torch.fft.rfft2(w2)
        e = self.z2[:, 0] * self.z if self.p.channels == 1 else torch.einsum("kmij,mij->kij", self.z2, self.z)
        return torch.fft.irfft2(e, s=w.shape[-2:]).flatten(1)

    def descend(self, r):
        side = self.p.side
        r = torch.fft.rfft2(r.view(-1, 1, side, side))
        w, w2 = self.params
        w2.add_(torch.fft.irfft2(r * self.z.conj(), s=(side, side)), alpha=self.lr)
        w.add_(torch.fft.irfft2((r * self.z2.conj()).sum(0), s=(side, side)), alpha=self.lr)


class LcnnByHandFrequency(LcnnByHand):
    """As by hand, the weights kept as spectra: the DFT is linear, so the step
    is the same; only E comes back and only R goes there."""

    def setup(self):
        super().setup()
        self.z, self.z2 = (torch.fft.rfft2(w) for w in self.params)

    def map(self):
        side = self.p.side
        return torch.fft.irfft2((self.z2 * self.z).sum(1), s=(side, side)).flatten(1)

    def descend(self, r):
        side = self.p.side
        r = torch.fft.rfft2(r.view(-1, 1, side, side))
        dz = (r * self.z2.conj()).sum(0)
        self.z2.addcmul_(r, self.z.conj(), value=self.lr)
        self.z.add_(dz, alpha=self.lr)


class FcnnMoments(Fcnn, Moments):
    def map(self):
        w1, w2 = self.params
        return w2 @ w1


class FcnnByHand(Fcnn, ByHand):
    def map(self):
        w1, w2 = self.params
        return w2 @ w1

    def descend(self, r):
        w1, w2 = self.params
        g2 = r @ w1.T
        w1.addmm_(w2.T, r, alpha=self.lr)
        w2.add_(g2, alpha=self.lr)


VARIANTS = {
    "lcnn-samples": {
        "conv2d": LcnnConv,
        "conv2d, padded once": LcnnConvPadded,
        "fft": LcnnFft,
        "fft, data spectra once": LcnnFftCached,
        "spectral, no way back": LcnnSpectral,
        "folded to one map": LcnnFolded,
    },
    "fcnn-samples": {"two layers": FcnnPlain, "folded to one map": FcnnFolded},
    "lcnn-moments": {
        "autograd": LcnnMoments,
        "by hand": LcnnByHand,
        "by hand, weights in frequency": LcnnByHandFrequency,
    },
    "fcnn-moments": {"autograd": FcnnMoments, "by hand": FcnnByHand},
}


def timed_block(variant, steps):
    start = time.perf_counter()
    for _ in range(steps):
        loss = variant.step()
    seconds = time.perf_counter() - start
    if not math.isfinite(loss.item()):
        raise SystemExit(f"{type(variant).__name__}: the loss is not finite")
    return seconds / steps


def measure(variants, steps, repeats, budget):
    """Milliseconds per step: the median of `repeats` blocks of `steps` steps, of
    fewer where a variant would take more than `budget` seconds. The variants take
    turns, so that a busy spell of the machine does not fall on one of them."""
    # The first step warms up: FFT plans, MKL-DNN primitives, the allocator.
    once = {name: timed_block(v, 1) for name, v in variants.items()}
    for name, v in variants.items():
        if once[name] < 0.5:
            once[name] = min(timed_block(v, 1) for _ in range(3))
    blocks = {name: max(1, min(steps, int(budget / (repeats * t)))) for name, t in once.items()}
    times = {name: [] for name in variants}
    for _ in range(repeats):
        for name, v in variants.items():
            if sum(times[name]) * blocks[name] < budget:
                times[name].append(timed_block(v, blocks[name]))
    return {
        name: {
            "ms_per_step": 1e3 * statistics.median(t),
            "least": 1e3 * min(t),
            "most": 1e3 * max(t),
            "steps": blocks[name],
            "repeats": len(t),
        }
        for name, t in times.items()
    }


def best(timed, names):
    name = min(names, key=lambda name: timed[name]["ms_per_step"])
    return {"variant": name, "ms_per_step": timed[name]["ms_per_step"]}


def check(problem, lr, only):
    """Every variant against plain conv2d (LCNN) or two dense layers (FCNN):
    the loss and the weights over five steps agree to 1e-4 of their sizes, and
    so do the outputs of the maps."""
    worst = 0.0

    def compare(what, got, want):
        nonlocal worst
        error = ((got - want).norm() / want.norm()).item()
        worst = max(worst, error)
        if not error < 1e-4:
            raise SystemExit(f"check failed: {what}: relative error {error:.2e}")

    for kind, reference in [("lcnn", LcnnConv), ("fcnn", FcnnPlain)]:
        for family, variants in VARIANTS.items():
            for name, cls in variants.items():
                if not family.startswith(kind) or only not in f"{family}/{name}":
                    continue
                ref, variant = reference(problem, lr), cls(problem, lr)
                what = f"{family}/{name}"
                for step in range(5):
                    with torch.no_grad():
                        want = ref.forward()
                        if isinstance(variant, Samples):
                            got = variant.forward()
                        else:
                            got = problem.x @ variant.map().T
                    compare(f"{what}: outputs at step {step}", got, want)
                    if isinstance(variant, Moments):
                        syx = want.T @ problem.x / len(problem.x)
                        a = torch.einsum("ka,kn,na->a", problem.u, syx, problem.v)
                        loss = variant.step()
                        compare(f"{what}: mode strengths at step {step}", variant.a, a)
                    else:
                        loss = variant.step()
                    compare(f"{what}: loss at step {step}", loss.detach(), ref.step().detach())
                if hasattr(variant, "z2") and isinstance(variant, LcnnByHandFrequency):
                    s = (problem.side, problem.side)
                    got = [torch.fft.irfft2(z, s=s) for z in (variant.z, variant.z2)]
                else:
                    got = [w.detach() for w in variant.params]
                for w, want, start in zip(got, ref.params, ref.start(problem)):
                    # What was learned, not the weights: these hardly move in five steps.
                    compare(f"{what}: change of the weights", w - start, want.detach() - start)
    return worst


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000, help="P (default %(default)s)")
    parser.add_argument("--size", type=int, default=32, help="side of the images (default %(default)s)")
    parser.add_argument("--classes", type=int, default=10, help="K (default %(default)s)")
    parser.add_argument("--hidden", type=int, default=1024, help="width of the FCNN (default %(default)s)")
    parser.add_argument("--channels", type=int, default=1, help="kernels M of the LCNN (default %(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="steps per repeat, at most (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="at most (default %(default)s)")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds per variant, about (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default %(default)s)")
    parser.add_argument("--only", default="", help='part of a name, such as "lcnn-samples" or "by hand"')
    parser.add_argument("--skip", default="-", help='leave out variants with this in their name, such as "conv2d"')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--scale", type=float, default=1e-3, help="standard deviation of the starting weights")
    parser.add_argument("--check", action="store_true", help="compare all variants (on 64 samples), do not time")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    names = [f"{family}/{name}" for family in VARIANTS for name in VARIANTS[family]]
    if not any(args.only in name for name in names):
        parser.error(f"--only {args.only}: no such variant; there are: {', '.join(names)}")

    if args.check:
        # Weights and steps large enough that the gradients' errors would show.
        args.samples, args.scale = min(args.samples, 64), 0.02
        worst = check(Problem(args), 1e-2, args.only)
        print(json.dumps({"check": "ok", "largest_relative_error": worst}))
        return

    load = os.getloadavg()[0]
    problem = Problem(args)
    results = {}
    for family, variants in VARIANTS.items():
        wanted = lambda name: args.only in f"{family}/{name}" and args.skip not in name
        chosen = {name: cls for name, cls in variants.items() if wanted(name)}
        if not chosen:
            continue
        print(f"{family}: {len(chosen)} variants", file=sys.stderr, flush=True)
        made = {name: cls(problem, args.lr) for name, cls in chosen.items()}
        timed = measure(made, args.steps, args.repeats, args.budget)
        results[family] = {"best": best(timed, timed), "variants": timed}
        layerwise = [name for name in timed if not variants[name].folds]
        if family.endswith("samples") and layerwise:
            results[family]["best_layer_by_layer"] = best(timed, layerwise)
    sizes = {key: getattr(args, key) for key in ("samples", "size", "classes", "hidden", "channels")}
    host = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": processor(),
        "cores": os.cpu_count(),
        # Other work on the machine: numbers from a busy one are worth little.
        "load_before": load,
    }
    print(json.dumps({"sizes": sizes, "host": host, "results": results}, indent=2))


if __name__ == "__main__":
    main()
