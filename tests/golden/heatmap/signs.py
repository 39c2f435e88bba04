"""The random signs of a heat map, derived again: the first words of a ChaCha stream of
8 rounds (RFC 8439 with a counter of 64 bits), whose key is the seed, the place of the
frequency and the name of the purpose, hashed by FNV-1a of 128 bits."""

import struct

import numpy as np


def fnv1a128(name):
    h = 0x6C62272E07BB014262B821756295C58D
    for byte in name.encode():
        h = (h ^ byte) * 0x0000000001000000000000000000013B % 2**128
    return h


def chacha8(key, blocks):
    """16 words of each block, in order, uint32."""
    first = np.frombuffer(b"expand 32-byte k" + key, "<u4")
    state = np.zeros((16, blocks), np.uint32)
    state[:12] = first[:, None]
    state[12] = np.arange(blocks)
    x = state.copy()

    def rotated(v, n):
        return (v << np.uint32(n)) | (v >> np.uint32(32 - n))

    def quarter(a, b, c, d):
        for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] += x[q]
            x[r] = rotated(x[r] ^ x[p], n)

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return (x + state).T.reshape(-1)


# The published first bytes of a stream with a key of zeros.
assert chacha8(bytes(32), 1)[0].tobytes().hex() == "3e00ef2f"


def signs(seed, place, count):
    """+1 where the highest bit of a word is set, else -1; float32."""
    key = struct.pack("<QQ", seed, place) + fnv1a128("heatmap/sign").to_bytes(16, "little")
    words = chacha8(key, -(-count // 16))[:count]
    return np.where(words >> np.uint32(31), 1, -1).astype(np.float32)


def frequencies(h, w):
    """Every distinct frequency of h x w images once, as (row, col), in the order of the
    half plane's rows."""
    out = []
    for r in range(h):
        for c in range(w // 2 + 1):
            if r <= h // 2 or not (c == 0 or 2 * c == w):
                out.append((r if r <= h // 2 else r - h, c))
    return out
