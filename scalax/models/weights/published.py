"""Names and shapes of the public JAX checkpoints, as ours: 'block00/attn/query/kernel' -> array.

The files: ViT of github.com/google-research/vision_transformer (augreg and before) and of
github.com/google-research/big_vision (FlexiViT too, looped or scanned), MLP-Mixer of the former, BiT of
github.com/google-research/big_transfer and as big_vision writes it. A name that no rule knows stays as it
is, so that it shows up as unexpected.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from scalax.errors import UserError
from scalax.models.weights.blocks import NUMBER, check_whole, places

Arrays = dict[str, np.ndarray]

PREFIXES = ("opt/target/", "params/img/", "params/", "target/")

# (pattern, replacement), the first that matches from the start of the name. '#' stands before a number.
VIT = [
    (rf"Transformer/encoderblock_{NUMBER}/", r"block#\1/"),
    (r"Transformer/encoderblock/", "blocks/"),
    (r"Transformer/encoder_norm/", "norm/"),
    (r"Transformer/(posembed_input/)?pos_embedding", "pos_embedding"),
    (r"MAPHead_0/", "map_head/"),
    # While ViT-G was developed its pooling stood outside of a module.
    (r"(?=probe$|MlpBlock_0/|MultiHeadDotProductAttention_0/|LayerNorm_0/)", "map_head/"),
    (r"pre_logits/", "representation/"),
]
VIT_INSIDE = [
    (r"^(block[#s]\d*)/LayerNorm_0/", r"\1/norm1/"),
    (r"^(block[#s]\d*)/LayerNorm_[12]/", r"\1/norm2/"),
    (r"^map_head/LayerNorm_0/", "map_head/norm/"),
    (r"/MultiHeadDotProductAttention_[01]/", "/attn/"),
    (r"/MlpBlock_[03]/", "/mlp/"),
    (r"/Dense_0/", "/in/"),
    (r"/Dense_1/", "/out/"),
]
MIXER = [
    (r"stem/", "embedding/"),
    (rf"MixerBlock_{NUMBER}/", r"block#\1/"),
    (r"pre_head_layer_norm/", "norm/"),
]
MIXER_INSIDE = [
    (r"/LayerNorm_0/", "/norm1/"),
    (r"/LayerNorm_1/", "/norm2/"),
    (r"/token_mixing/", "/token_mlp/"),
    (r"/channel_mixing/", "/channel_mlp/"),
    (r"/Dense_0/", "/in/"),
    (r"/Dense_1/", "/out/"),
]
BIT = [
    (r"resnet/", ""),
]
BIT_INSIDE = [
    (r"/standardized_conv2d(_\d+)?/", "/"),
    (r"^root_block/(conv_root/)?", "stem/"),
    (r"^(group_norm|norm-pre-head)/", "norm/"),
    (r"^head/conv2d/", "head/"),
    (r"/(a/proj|conv_proj)/", "/proj/"),
    *((rf"/({letter}/group_norm|gn{n})/", f"/norm{n}/") for n, letter in enumerate("abc", 1)),
    *((rf"/{letter}/", f"/conv{n}/") for n, letter in enumerate("abc", 1)),
    (r"/gamma$", "/scale"),
    (r"/beta$", "/bias"),
]


@contextmanager
def fitting(where: str, name: str, x: np.ndarray) -> Iterator[None]:
    """Within it, an array is cut and reshaped: raises UserError where its shape does not allow that.

    - where: begins the message.
    - name, x: of the array.
    """
    try:
        yield
    except (ValueError, IndexError) as e:
        if isinstance(e, UserError):
            raise
        raise UserError(f"{where}{name!r} of shape {list(x.shape)} is in no model that is known") from None


def from_published(arrays: Arrays, where: str) -> Arrays:
    """`arrays` under our names and shapes; those that bear our names already pass unchanged.

    Positions come as [g, g, d]; a scanned encoder as one leading axis under 'blocks/'. `where` names the
    file in errors. Raises UserError where the positions make no square grid, an array has a shape that none
    of these models has, or two have one name.
    """
    arrays = _without_prefix(arrays)
    if any(key.startswith("Transformer/") for key in arrays):
        return _vit(_renamed(arrays, VIT, VIT_INSIDE, where), where)
    if any(key.startswith("MixerBlock_") for key in arrays):
        return _numbered(_renamed(arrays, MIXER, MIXER_INSIDE, where), where)
    if any("root_block/" in key for key in arrays):
        return _bit(_renamed(arrays, BIT, BIT_INSIDE, where), where)
    return arrays


def _without_prefix(arrays: Arrays) -> Arrays:
    """Of a whole training state, the parameters alone; what is ours besides stays."""
    for prefix in PREFIXES:
        if inside := {key[len(prefix) :]: x for key, x in arrays.items() if key.startswith(prefix)}:
            return inside | {
                key: x for key, x in arrays.items() if key.startswith(("batch_stats/", "input/"))
            }
    return dict(arrays)


def _renamed(arrays: Arrays, first: list, then: list, where: str) -> Arrays:
    """Apply the first rule of `first` that matches, then every rule of `then`."""
    renamed: Arrays = {}
    for key, x in arrays.items():
        new = next((re.sub(f"^{old}", to, key, count=1) for old, to in first if re.match(old, key)), key)
        for old, to in then:
            new = re.sub(old, to, new)
        if new in renamed:
            raise UserError(f"weights {where}: {key!r} and another array are both {new!r}")
        renamed[new] = x
    return renamed


def _numbered(arrays: Arrays, where: str) -> Arrays:
    numbers = {key: (int(m[1]),) for key in arrays if (m := re.match(r"block#([0-9]{1,6})/", key))}
    check_whole(numbers.values(), (0,), f"weights {where}: ")
    place = places(numbers.values())
    return {
        f"block{place[numbers[key]]:02d}/{key.partition('/')[2]}" if key in numbers else key: x
        for key, x in arrays.items()
    }


def _vit(arrays: Arrays, where: str) -> Arrays:
    arrays = _numbered(arrays, where)
    positions, cls = arrays.pop("pos_embedding", None), arrays.pop("cls", None)
    if positions is not None:
        with fitting(f"weights {where}: ", "pos_embedding", positions):
            positions = positions.reshape(-1, positions.shape[-1])
        grid = math.isqrt(len(positions))
        if len(positions) == grid**2 + 1 and cls is not None:
            # Files before 2022 have the class token's position first; later ones keep it within the token.
            arrays["cls_position"], positions = positions[0], positions[1:]
        if not grid or len(positions) != grid**2:
            raise UserError(f"weights {where}: {len(positions)} positions, which make no square grid")
        arrays["pos_embedding"] = positions.reshape(grid, grid, -1)
    if cls is not None:
        arrays["cls"] = cls.reshape(-1)
        arrays.setdefault("cls_position", np.zeros_like(arrays["cls"]))
    return arrays


def _bit(arrays: Arrays, where: str) -> Arrays:
    unit = re.compile(r"block([0-9]{1,6})/unit([0-9]{1,6})/")
    units = {key: tuple(map(int, found.groups())) for key in arrays if (found := unit.match(key))}
    check_whole(units.values(), (1, 1), f"weights {where}: ")
    place = places(units.values())
    numbered: Arrays = {}
    for key, x in arrays.items():
        new = f"block{place[units[key]]:02d}/{key.split('/', 2)[2]}" if key in units else key
        with fitting(f"weights {where}: ", key, x):
            if new.endswith(("/scale", "/bias")):
                x = x.reshape(-1)
            elif new == "head/kernel":
                x = x.reshape(x.shape[-2:])
        if new in numbered:
            raise UserError(f"weights {where}: {key!r} and another array are both {new!r}")
        numbered[new] = x
    return numbered
