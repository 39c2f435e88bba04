"""Small hostile image files: a decoder that took them at their word would make room for far more than they hold.

Run it with Pillow at hand; it rewrites images/ and VERSIONS.txt beside it (a second):

    .venv-bench/bin/python tests/fuzz/make.py

The comment above each file tells what it says, and what the decoder would make room for. Sides are height×width.
"""

import io
import pathlib
import platform
import shutil
import struct
import zlib

import PIL
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = HERE / "images"
# What most of the files hold, or say they hold.
H, W = 8, 16
WEBP_SIDES = (W - 1).to_bytes(3, "little") + (H - 1).to_bytes(3, "little")
# Tags of a TIFF.
WIDTH, HEIGHT, BITS, COMPRESSION, COLOURS = 256, 257, 258, 259, 262
OFFSETS, SAMPLES, ROWS, LENGTHS = 273, 277, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_LENGTHS, EXTRA = 322, 323, 324, 325, 338


def put(name, data):
    (IMAGES / name).write_bytes(data)


def encoded(mode, format, height=H, width=W, **options):
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, format, **options)
    return bytearray(out.getvalue())


def riff(*chunks):
    return b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)


def webp(animated, *chunks):
    chunks = b"WEBP" + riff((b"VP8X", bytes([2 * animated, 0, 0, 0]) + WEBP_SIDES), *chunks)
    return riff((b"RIFF", chunks))


def behind_alpha(name, frame):
    # The alpha is whole, so that the decoder comes to what is behind it: how it is stored, and a byte for each pixel.
    chunks = riff((b"ALPH", bytes(1 + H * W)), (name, frame))
    return webp(True, (b"ANIM", bytes(6)), (b"ANMF", bytes(6) + WEBP_SIDES + bytes(4) + chunks))


def webps():
    lossy = encoded("RGB", "WEBP", quality=90)
    at = lossy.index(b"VP8 ")
    length, = struct.unpack_from("<I", lossy, at + 4)
    large = lossy[at + 8 : at + 8 + length]
    struct.pack_into("<HH", large, 6, 16383, 16383)
    # The last chunk in the ANMF says 2 GB, past its end: whoever follows it misses the VP8 of 16383×16383, of 400 MB.
    untiled = riff((b"XXXX", b"")) + b"YYYY" + struct.pack("<I", 0x7fffffff)
    put("hidden.webp", webp(False, (b"ANMF", bytes(16) + untiled), (b"VP8 ", large)))
    # The chunk behind ALPH is decoded as VP8 of 16383×16383 whatever its name, here of no meaning: 400 MB.
    put("alpha.webp", behind_alpha(b"QQQQ", large))
    # The same, and its name is that of metadata.
    put("alphaexif.webp", behind_alpha(b"EXIF", large))


def gif():
    # A frame of 3500×3500 on a canvas of 8×16: 49 MB in RGBA, where the decoder's own limit is 50 MB.
    frame = encoded("P", "GIF", 3500, 3500)
    struct.pack_into("<HH", frame, 6, W, H)
    put("frame.gif", frame)


def png(height, width, colours, *chunks):
    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in (b"IHDR", header), *chunks, (b"IEND", b""):
        out += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return out


def pngs():
    # A profile of colours in 50 kB that unfolds to 50 MB, and to twice that while its room grows.
    profile = b"icc\0\0" + zlib.compress(bytes(50_000_000), 9)
    put("icc.png", png(H, W, 0, (b"iCCP", profile), (b"IDAT", zlib.compress(bytes(H * (1 + W))))))
    # RGB of 20000×20000 in 200 bytes: 1.2 GB.
    put("large.png", png(20000, 20000, 2, (b"IDAT", zlib.compress(bytes(132), 0))))


def tiff(data, tags, counts=None):
    """A TIFF of one strip or tile, then its directory; `counts` are how many values a tag says it has, else one."""
    data += bytes(len(data) % 2)
    tiled = TILE_WIDTH in tags
    at, length = (TILE_OFFSETS, TILE_LENGTHS) if tiled else (OFFSETS, LENGTHS)
    tags = {WIDTH: W, HEIGHT: H, BITS: 8, COMPRESSION: 1, COLOURS: 1, SAMPLES: 1, at: 8, length: len(data)} | tags
    if not tiled:
        tags[ROWS] = H
    out = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags))
    for tag, value in sorted(tags.items()):
        # Numbers of 16 bits, as the decoder wants some, or of 32.
        kind = 3 if value < 1 << 16 else 4
        out += struct.pack("<HHII", tag, kind, (counts or {}).get(tag, 1), value)
    return out + bytes(4)


def tiffs():
    # 8,388,608 offsets of strips, where there is one: 32 bytes for each before they are read, 268 MB.
    put("count.tif", tiff(bytes(H * W), {}, {OFFSETS: 1 << 23}))
    # As many lengths of strips, in a bilevel page of Group 4 (white rows, a bit for each, and the end): 268 MB.
    page = b"\xff\x00\x10\x01".ljust(38, b"\0")
    put("bits.tif", tiff(page, {BITS: 1, COMPRESSION: 4, COLOURS: 0}, {LENGTHS: 1 << 23}))
    # A tile 500,000,000 wide; of its four samples one is left out, so that a row of all is made room for: 2 GB.
    tile = {COMPRESSION: 8, COLOURS: 2, SAMPLES: 4, EXTRA: 0, TILE_WIDTH: 500_000_000, TILE_HEIGHT: 16}
    put("tile.tif", tiff(zlib.compress(bytes(600)), tile))
    # A JPEG of 8192×8192 in a strip of 8×16, which is decoded whole: 67 MB, and 134 MB of coefficients.
    put("jpeg.tif", tiff(jpeg("L", 8192, 8192), {COMPRESSION: 7}))


def jpeg(mode, height, width, sampling=0x11):
    """A progressive JPEG that says it is larger than it is, and how its first colour is sampled."""
    data = encoded(mode, "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2")
    struct.pack_into(">HH", data, frame + 5, height, width)
    data[frame + 11] = sampling
    return bytes(data)


def jpegs():
    # Four colours of 600×600, the first sampled 4×4 times as often: coefficients, in blocks of 32×32 pixels, 2 MB.
    put("cmyk.jpg", jpeg("CMYK", 600, 600, 0x44))
    # The same of 8×50000, whose blocks are four times as high as it is: 18 MB.
    put("cmykwide.jpg", jpeg("CMYK", 8, 50000, 0x44))


def bitmap():
    # 20000×20000 pixels of 24 bits that are not packed, in 100 bytes: 1.2 GB.
    data = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 100, 0, 54, 40, 20000, 20000, 1, 24, 0, 0, 2835, 2835, 0, 0)
    put("bitmap.bmp", data.ljust(100, b"\0"))


if __name__ == "__main__":
    shutil.rmtree(IMAGES, ignore_errors=True)
    IMAGES.mkdir()
    webps()
    gif()
    pngs()
    tiffs()
    jpegs()
    bitmap()
    (HERE / "VERSIONS.txt").write_text(f"Python {platform.python_version()}\nPillow {PIL.__version__}\n")
    sizes = [path.stat().st_size for path in IMAGES.iterdir()]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")
