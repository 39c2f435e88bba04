"""Gradient flow of small linear networks, an oracle for the integrator in Rust.

Run it with NumPy and SciPy at hand; it rewrites the .npz files and VERSIONS.txt
beside it (half a minute on an idle core):

    python3 -m venv .venv-golden && .venv-golden/bin/pip install numpy==2.4.6 scipy==1.17.1
    .venv-golden/bin/python tests/golden/flow/make.py

The files that are kept were made with the versions in VERSIONS.txt.

What is integrated: dw/dt = -dL/dw for every weight w of a network with map E,

    L = 1/2 tr Syy - tr(E Syx^T) + 1/2 tr(E Sxx E^T),    dL/dE = E Sxx - Syx.

Everything is done in pixel space, and nothing by a Fourier transform: each
convolution is a dense matrix filled in through a table of indices, E is the
product of these matrices, and the gradient of a kernel is the gradient of its
matrix summed over the same table. Networks:

    fcnn   E = W2 W1
    lcnn   h^l_m(p) = sum_c sum_q w^l_{m,c}(q) h^{l-1}_c(p + q - o), around the edges,
           y_j = sum_m sum_p D_{j,m}(p) h^L_m(p); o = 0 for kernels of the images'
           size, (r_h // 2, r_w // 2) for smaller ones

Before a case is integrated, its map is compared with these sums written out and
its gradient with finite differences; afterwards the result is compared with
that of another method (LSODA) and of another tolerance.

Arrays of every file (float64, d = c*H*W, n = H*W, T times, m modes):

    shape [3]            c, H, W
    yx [K, d], xx [d, d] second moments
    w1 [h, d], w2 [K, h] initial weights of an fcnn, or
    kernels [M, c, r_h, r_w], kernels_2 [M, M, r_h, r_w] (two layers only), dense [K, M, H, W]
    s [m]                singular values of yx, descending
    t [T]                times, from 0 on
    a [T, m]             a = u^T E xx v for the singular vectors u, v of yx
    map [T, K, d]        E
"""

import pathlib
import platform
import sys

import numpy as np
import scipy
from scipy.integrate import solve_ivp

HERE = pathlib.Path(__file__).resolve().parent
OUTPUTS = 3
TIMES = 41

# name: (c, H, W), hidden units or (M, layers, kernel size), scale of the weights
CASES = {
    "fcnn": ((1, 6, 8), 5, 0.02),
    "lcnn_full": ((1, 5, 6), (1, 1, (5, 6)), 0.01),
    "lcnn_channels": ((2, 5, 6), (2, 1, (5, 6)), 0.01),
    "lcnn_deep": ((1, 6, 5), (2, 2, (6, 5)), 0.03),
    "lcnn_small": ((1, 6, 8), (2, 1, (3, 3)), 0.01),
    "lcnn_small_deep": ((1, 5, 6), (2, 2, (3, 3)), 0.05),
}


def moments(rng, shape):
    """Second moments of 400 smooth random images, and of targets whose modes are
    well apart but are no eigenvectors of Sxx and share frequencies."""
    c, h, w = shape
    n, d, samples = h * w, c * h * w, 400
    at = np.array([(i, j) for i in range(h) for j in range(w)])
    # Covariance falls with the distance around the edges; some white noise on top.
    distance = np.abs(at[:, None] - at[None, :])
    distance = np.minimum(distance, np.array([h, w]) - distance)
    plane = np.exp(-0.5 * (distance**2).sum(-1) / 1.3**2) + 0.05 * np.eye(n)
    channels = 0.7 * np.eye(c) + 0.3
    x = rng.standard_normal((samples, d)) @ np.linalg.cholesky(np.kron(channels, plane)).T
    x /= x.std()
    xx = x.T @ x / samples
    values, vectors = np.linalg.eigh(xx)
    # Mostly along the strongest directions of x, turned a little into the others.
    images = vectors[:, ::-1][:, [0, 2, 5]] + 0.15 * rng.standard_normal((d, 3)) / np.sqrt(d)
    turn = np.linalg.qr(rng.standard_normal((OUTPUTS, 3)))[0]
    teacher = turn @ np.diag([1.0, 0.55, 0.3] / values[::-1][[0, 2, 5]]) @ images.T
    y = x @ teacher.T + 0.05 * rng.standard_normal((samples, OUTPUTS))
    return y.T @ x / samples, xx


class Fcnn:
    """E = W2 W1."""

    def __init__(self, rng, shape, hidden, scale):
        d = int(np.prod(shape))
        self.shape = shape
        self.start = {
            "w1": scale * rng.standard_normal((hidden, d)),
            "w2": scale * rng.standard_normal((OUTPUTS, hidden)),
        }

    def map(self, weights):
        return weights["w2"] @ weights["w1"]

    def gradient(self, weights, g):
        """Of the weights, from g = dL/dE."""
        return {"w1": weights["w2"].T @ g, "w2": g @ weights["w1"].T}

    def apply(self, weights, x):
        return weights["w2"] @ (weights["w1"] @ x)


class Lcnn:
    """E = D C_L ... C_1, C_l the matrix [M n, c n] of a convolution."""

    def __init__(self, rng, shape, layout, scale):
        channels, self.layers, kernel = layout
        c, h, w = shape
        self.shape, self.kernel = shape, kernel
        self.origin = (0, 0) if kernel == (h, w) else (kernel[0] // 2, kernel[1] // 2)
        self.names = ["kernels", "kernels_2"][: self.layers]
        inputs = [c] + [channels] * (self.layers - 1)
        self.start = {
            name: scale * rng.standard_normal((channels, i) + kernel)
            for name, i in zip(self.names, inputs)
        }
        self.start["dense"] = scale * rng.standard_normal((OUTPUTS, channels, h, w))
        # reads[p, r]: the pixel that kernel entry r meets when the kernel is at pixel p.
        self.reads = np.array(
            [
                [
                    (i + r - self.origin[0]) % h * w + (j + s - self.origin[1]) % w
                    for r in range(kernel[0])
                    for s in range(kernel[1])
                ]
                for i in range(h)
                for j in range(w)
            ]
        )

    def matrix(self, kernels):
        m, c = kernels.shape[:2]
        n, entries = self.reads.shape
        out = np.zeros((m, n, c, n))
        for r in range(entries):
            # A kernel's entries meet different pixels, so nothing is overwritten.
            out[:, np.arange(n), :, self.reads[:, r]] += kernels.reshape(m, c, entries)[:, :, r]
        return out.reshape(m * n, c * n)

    def kernel_gradient(self, g, like):
        m, c = like.shape[:2]
        n, entries = self.reads.shape
        g = g.reshape(m, n, c, n)
        sums = [g[:, np.arange(n), :, self.reads[:, r]].sum(axis=0) for r in range(entries)]
        return np.stack(sums, axis=-1).reshape(like.shape)

    def map(self, weights):
        out = weights["dense"].reshape(OUTPUTS, -1)
        for name in reversed(self.names):
            out = out @ self.matrix(weights[name])
        return out

    def gradient(self, weights, g):
        """Of the weights, from g = dL/dE."""
        matrices = [self.matrix(weights[name]) for name in self.names]
        below = [np.eye(matrices[0].shape[1])]  # C_{l-1} ... C_1
        for matrix in matrices:
            below.append(matrix @ below[-1])
        out = {"dense": (g @ below[-1].T).reshape(weights["dense"].shape)}
        above = weights["dense"].reshape(OUTPUTS, -1)  # D C_L ... C_{l+1}
        for l in reversed(range(self.layers)):
            name = self.names[l]
            out[name] = self.kernel_gradient(above.T @ g @ below[l].T, weights[name])
            above = above @ matrices[l]
        return out

    def apply(self, weights, x):
        """The sums of the definition, one by one."""
        _, h, w = self.shape
        layer = x.reshape(self.shape)
        for name in self.names:
            kernels = weights[name]
            m, c, rows, columns = kernels.shape
            new = np.zeros((m, h, w))
            for o, i, j in np.ndindex(m, h, w):
                for k, r, s in np.ndindex(c, rows, columns):
                    row, column = (i + r - self.origin[0]) % h, (j + s - self.origin[1]) % w
                    new[o, i, j] += kernels[o, k, r, s] * layer[k, row, column]
            layer = new
        return np.array([(plane * layer).sum() for plane in weights["dense"]])


def pack(weights):
    return np.concatenate([array.ravel() for array in weights.values()])


def unpack(flat, like):
    out, at = {}, 0
    for name, array in like.items():
        out[name] = flat[at : at + array.size].reshape(array.shape)
        at += array.size
    return out


def loss(e, yx, xx):
    """Without the constant 1/2 tr Syy."""
    return -(e * yx).sum() + 0.5 * (e @ xx * e).sum()


def check(rng, network, yx, xx):
    """The map against the definition, the gradient against finite differences."""
    like = network.start
    flat = 0.4 * rng.standard_normal(pack(like).size)
    weights = unpack(flat, like)
    e = network.map(weights)
    for _ in range(3):
        x = rng.standard_normal(e.shape[1])
        assert np.allclose(network.apply(weights, x), e @ x, rtol=1e-12, atol=1e-12)
    gradient = network.gradient(weights, e @ xx - yx)
    got = pack({name: gradient[name] for name in like})
    # E is linear in each single weight and L quadratic: central differences are
    # exact but for rounding, however wide.
    want = np.empty_like(got)
    for i in range(flat.size):
        sides = []
        for step in (0.1, -0.1):
            moved = flat.copy()
            moved[i] += step
            sides.append(loss(network.map(unpack(moved, like)), yx, xx))
        want[i] = (sides[0] - sides[1]) / 0.2
    error = np.abs(got - want).max() / np.abs(want).max()
    assert error < 1e-11, f"gradient is off by {error}"
    return error


def make(name, seed):
    shape, layout, scale = CASES[name]
    rng = np.random.default_rng([2023, seed])
    yx, xx = moments(rng, shape)
    u, s, vt = np.linalg.svd(yx, full_matrices=False)
    network = (Fcnn if isinstance(layout, int) else Lcnn)(rng, shape, layout, scale)
    gradient_error = check(rng, network, yx, xx)

    like = network.start

    def velocity(_, flat):
        weights = unpack(flat, like)
        gradient = network.gradient(weights, network.map(weights) @ xx - yx)
        return -pack({key: gradient[key] for key in like})

    def strengths(e):
        return np.einsum("ka,kd,ad->a", u, e @ xx, vt)

    def weakest(_, flat):
        return (strengths(network.map(unpack(flat, like))) / s).min() - 0.9

    weakest.terminal, weakest.direction = True, 1

    start = pack(like)
    rough = solve_ivp(velocity, (0, 2000), start, "DOP853", rtol=1e-7, atol=1e-10, events=weakest)
    assert rough.t_events[0].size == 1, f"{name}: not learned by t = 2000"
    t = np.linspace(0, 1.3 * rough.t_events[0][0], TIMES)

    def flow(rtol, atol, method="DOP853"):
        # From each time to the next: between its steps a method only interpolates.
        flat, maps, evaluations = start, [network.map(like)], 0
        for span in zip(t, t[1:]):
            out = solve_ivp(velocity, span, flat, method, rtol=rtol, atol=atol)
            assert out.success, out.message
            flat, evaluations = out.y[:, -1], evaluations + out.nfev
            maps.append(network.map(unpack(flat, like)))
        return np.array(maps), np.array([strengths(e) for e in maps]), evaluations

    maps, a, evaluations = flow(1e-12, 1e-15)
    again, a_again, _ = flow(1e-10, 1e-13, "LSODA")
    error = np.abs(a - a_again).max() / s[0]
    map_error = np.abs(maps - again).max() / np.abs(maps).max()
    assert max(error, map_error) < 1e-8, f"{name}: two methods differ by {error}, {map_error}"
    tighter, a_tighter, _ = flow(5e-14, 1e-16)
    own = max(np.abs(a - a_tighter).max() / s[0], np.abs(maps - tighter).max() / np.abs(maps).max())
    assert own < 1e-11, f"{name}: two tolerances differ by {own}"

    half = [t[np.argmax(a[:, i] > 0.5 * s[i])] for i in range(s.size)]
    np.savez(
        HERE / f"{name}.npz",
        shape=np.array(shape, dtype=float),
        yx=yx,
        xx=xx,
        s=s,
        t=t,
        a=a_tighter,
        map=tighter,
        **like,
    )
    print(
        f"{name}: s {np.round(s, 3)}, a(0)/s {np.round(a[0] / s, 4)}, half by {np.round(half, 2)}, end {t[-1]:.2f}, "
        f"{evaluations} evaluations; gradient {gradient_error:.0e}, LSODA {max(error, map_error):.0e}, "
        f"tolerance {own:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    for seed, name in enumerate(CASES):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            make(name, seed)
    (HERE / "VERSIONS.txt").write_text(
        f"Python {platform.python_version()}\nNumPy {np.__version__}\nSciPy {scipy.__version__}\n"
    )
