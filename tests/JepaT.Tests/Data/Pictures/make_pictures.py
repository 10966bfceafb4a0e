"""Writes the test pictures and what Pillow makes of them: NAME.png|jpg|webp, and NAME.SIDE.rgb, the ADM centre crop as raw bytes.

Debian 12: apt-get install python3-pil python3-numpy (Pillow 9.4, libjpeg-turbo 2.1.5); then: python3 make_pictures.py
The crop restates `center_crop_arr` as described in the appendix of Dhariwal and Nichol, "Diffusion Models Beat GANs" (2021).
"""
import pathlib
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
SIDE = 24


def picture(width, height, seed):
    """Smooth waves with edges, and noise in one corner: what compresses well and still shows every fault of a filter."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * rng.uniform(0.05, 0.9) + y * rng.uniform(0.05, 0.9) + c) for c in range(3)]
    rgb = np.stack([127.5 + 127.5 * w for w in waves], -1)
    rgb[(x // 5 + y // 7) % 4 == 0] = rng.integers(0, 256, 3)
    corner = (slice(0, height // 3), slice(0, width // 3))
    rgb[corner] = rng.integers(0, 256, rgb[corner].shape)
    return Image.fromarray(rgb.round().astype(np.uint8))


def crop(image, side):
    image = image.convert("RGB")
    while min(image.size) >= 2 * side:
        image = image.resize((image.width // 2, image.height // 2), Image.BOX)
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BICUBIC)
    top, left = (image.height - side) // 2, (image.width - side) // 2
    return np.asarray(image)[top:top + side, left:left + side]


def save(image, name, **options):
    image.save(HERE / name, **options)
    with Image.open(HERE / name) as read:
        (HERE / f"{name}.{SIDE}.rgb").write_bytes(crop(read, SIDE).tobytes())


def main():
    sizes = {"down": (47, 31), "up": (17, 13), "odd": (51, 97), "portrait": (33, 80), "landscape": (121, 49), "halved-twice": (131, 101),
             "same": (24, 24), "same-height": (40, 24), "halves-exactly": (96, 48), "round-to-even": (45, 36), "one-pixel": (1, 1), "thin": (3, 90)}
    for seed, (name, size) in enumerate(sizes.items()):
        save(picture(*size, seed), f"{name}.png", optimize=True)
    save(picture(61, 45, 20).convert("L"), "grey.png", optimize=True)
    save(picture(61, 45, 21).quantize(32), "palette.png", optimize=True)
    alpha = picture(61, 45, 22)
    alpha.putalpha(Image.fromarray((np.arange(61 * 45).reshape(45, 61) % 256).astype(np.uint8)))
    save(alpha, "alpha.png", optimize=True)
    save(picture(60, 44, 23).convert("LA"), "grey-alpha.png", optimize=True)
    save(alpha, "alpha.webp", lossless=True, exact=True)
    save(picture(64, 50, 24), "lossless.webp", lossless=True)
    save(picture(64, 50, 25), "lossy.webp", quality=80)
    save(picture(64, 50, 26), "photo.jpg", quality=90)
    save(picture(63, 49, 27), "progressive.jpg", quality=85, progressive=True, subsampling=2)
    save(picture(63, 49, 28).convert("L"), "grey.jpg", quality=90)
    save(picture(63, 49, 29).convert("CMYK"), "cmyk.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6                                    # "rotate by 90 degrees": not applied by Pillow's open, nor by the original
    save(picture(63, 40, 30), "turned.jpg", quality=90, exif=exif)
    print(len(list(HERE.glob("*.rgb"))), "pictures", zlib.crc32(b"".join(p.read_bytes() for p in sorted(HERE.glob("*.rgb")))))


main()
