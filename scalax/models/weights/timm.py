"""State dicts of timm (and torchvision's ResNets) under our names and shapes."""

import math
import re

import numpy as np

from scalax.errors import UserError
from scalax.models import vit
from scalax.models.weights.blocks import NUMBER, check_whole, places
from scalax.models.weights.published import fitting

# github.com/huggingface/pytorch-image-models: vision_transformer.py, mlp_mixer.py, resnet.py, resnetv2.py.
# (pattern, ours); '#' stands before a block's number, '@' before a stage and a block of it.
RULES = [
    (r"cls_token", "cls"),
    (r"pos_embed", "pos_embedding"),
    (r"(patch_embed|stem)\.proj\.", "embedding/"),
    (rf"blocks\.{NUMBER}\.", r"block#\1/"),
    (rf"stages\.{NUMBER}\.blocks\.{NUMBER}\.", r"block@\1.\2/"),
    (rf"layer{NUMBER}\.{NUMBER}\.", r"block@\1.\2/"),
    (r"(conv1|stem\.conv)\.(?=weight$)", "stem/"),
    (r"bn1\.", "stem_norm/"),
    (r"norm\.", "norm/"),
    (r"(head\.fc|head|fc)\.(?=weight$|bias$)", "head/"),
]
BLOCK = re.compile(r"block(?:#|@(?=[0-9]+\.))([0-9]{1,6}|(?<=@)[0-9]{1,6}\.[0-9]{1,6})/")
INSIDE = [
    (r"/attn\.qkv\.", "/attn/qkv/"),
    (r"/attn\.proj\.", "/attn/out/"),
    (r"/mlp\.fc1\.", "/mlp/in/"),
    (r"/mlp\.fc2\.", "/mlp/out/"),
    (r"/mlp_(token|channel)s\.fc1\.", r"/\1_mlp/in/"),
    (r"/mlp_(token|channel)s\.fc2\.", r"/\1_mlp/out/"),
    (r"/downsample\.(0|conv)\.", "/proj/"),
    (r"/downsample\.1\.", "/proj_norm/"),
    (r"/bn(\d)\.", r"/norm\1/"),
    (r"/(conv\d|norm\d)\.", r"/\1/"),
]


def from_timm(arrays: dict[str, np.ndarray], heads: int | None = None) -> dict[str, np.ndarray]:
    """'params/...' and 'batch_stats/...' of a state dict of a timm ViT, Mixer, ResNet or BiT.

    `heads` of a ViT's attention is no part of its weights: it is that of the variant of its width, or a
    head every 64 channels, unless given. Raises UserError with all names that no rule knows, where positions
    make no square grid, and for an array whose shape none of these models has.
    """
    renamed: dict[str, np.ndarray] = {}
    arrays = {key: x for key, x in arrays.items() if not key.endswith("num_batches_tracked")}
    for key, x in arrays.items():
        new = next((re.sub(f"^{old}", to, key, count=1) for old, to in RULES if re.match(old, key)), key)
        for old, to in INSIDE:
            new = re.sub(old, to, new)
        if new in renamed:
            raise UserError(f"{key!r} and another array are both {new!r}")
        renamed[new] = x
    blocks = {key: _numbers(m[1]) for key in renamed if (m := BLOCK.match(key))}
    place = places(blocks.values())
    converted, unknown = {}, []
    for key, x in renamed.items():
        if key in blocks:
            key = f"block{place[blocks[key]]:02d}/{key.partition('/')[2]}"
        with fitting("", key, x):
            found = _leaves(key, x, heads, "cls" in renamed)
        unknown += [] if found else [key]
        converted |= found
    if unknown:
        shown = ", ".join(sorted(unknown)[:8]) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
        raise UserError(f"not a ViT, Mixer, ResNet or BiT as known: cannot place {shown}")
    staged = any(key.startswith("block@") for key in blocks)
    begin = int(any(key.startswith("layer") for key in arrays))  # of the stages, 0 where they are called so
    check_whole(blocks.values(), (begin, 0) if staged else (0,))
    if "cls" in renamed and "params/pos_embedding" in converted:  # as files that keep the token's place in it
        converted.setdefault("params/cls_position", np.zeros_like(converted["params/cls"]))
    return converted


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _leaves(key: str, x: np.ndarray, heads: int | None, has_token: bool) -> dict[str, np.ndarray]:
    """What one array of theirs is among ours; {} where it is nothing."""
    if key == "cls":
        return {"params/cls": x.reshape(-1)}
    if key == "pos_embedding":
        return _positions(x, has_token)
    path, _, leaf = key.rpartition("/")
    if not path or "." in path:
        return {}
    if leaf in ("running_mean", "running_var"):
        return {f"batch_stats/{path}/{leaf[8:]}": x}
    if leaf not in ("weight", "bias"):
        return {}
    if path.endswith("attn/qkv"):
        return _attention(path[:-4], leaf, x, heads)
    if leaf == "bias":
        return {f"params/{path}/bias": x}
    if x.ndim == 1:
        return {f"params/{path}/scale": x}
    if x.ndim == 4:
        x = x.transpose(2, 3, 1, 0)
        return {f"params/{path}/kernel": x[0, 0] if path == "head" else x}
    x = x.T
    if path.endswith("attn/out"):
        x = x.reshape(_heads(x.shape[-1], heads), -1, x.shape[-1])
    return {f"params/{path}/kernel": x}


def _positions(x: np.ndarray, has_token: bool) -> dict[str, np.ndarray]:
    """Of [1, n, d]: those of the grid, and the class token's, the first, where the file has one."""
    x = x.reshape(-1, x.shape[-1])
    grid = math.isqrt(len(x))
    split = {}
    if has_token and len(x) == grid**2 + 1:
        split, x = {"params/cls_position": x[0]}, x[1:]
    if not grid or len(x) != grid**2:
        token = "with" if has_token else "without"
        raise UserError(
            f"pos_embed has {len(x)} positions {token} a class token, which make no square grid; take weights"
            " for square images"
        )
    return {**split, "params/pos_embedding": x.reshape(grid, grid, -1)}


def _heads(width: int, heads: int | None) -> int:
    known = {shape[0]: shape[3] for shape in vit.VARIANTS.values()}
    heads = heads or known.get(width, max(1, width // 64))
    if width % heads:
        raise UserError(f"{heads} heads do not divide a width of {width}; give the number of heads")
    return heads


def _attention(path: str, leaf: str, x: np.ndarray, heads: int | None) -> dict[str, np.ndarray]:
    """qkv [3 d, d] or [3 d] as query, key and value [d, heads, d / heads] or [heads, d / heads]."""
    d = x.shape[-1] if leaf == "weight" else x.shape[0] // 3
    if x.shape != ((3 * d, d) if leaf == "weight" else (3 * d,)):
        raise ValueError(f"qkv is {x.shape}")
    heads = _heads(d, heads)
    parts = {}
    for name, part in zip(("query", "key", "value"), np.split(x, 3), strict=True):
        part = part.reshape(heads, -1) if leaf == "bias" else part.T.reshape(d, heads, -1)
        parts[f"params/{path}/{name}/{'bias' if leaf == 'bias' else 'kernel'}"] = part
    return parts
