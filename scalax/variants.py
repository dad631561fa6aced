"""Published models: the shapes that their names stand for."""

import re
from typing import Any, NamedTuple

from scalax.errors import UserError

# Width, depth, MLP width, heads. ti, s, b, l: "How to train your ViT?" (Steiner et al. 2021), table 2;
# h: "An Image is Worth 16x16 Words" (Dosovitskiy et al. 2021), table 1; m, g, G: "Scaling Vision
# Transformers" (Zhai et al. 2022), table 2 (its 'M' has the shape given in big_vision's table of variants).
VIT = {
    "ti": (192, 12, 768, 3),
    "s": (384, 12, 1536, 6),
    "m": (512, 12, 2048, 8),
    "b": (768, 12, 3072, 12),
    "l": (1024, 24, 4096, 16),
    "h": (1280, 32, 5120, 16),
    "g": (1408, 40, 6144, 16),
    "G": (1664, 48, 8192, 16),
}
# Width, depth, widths of the channel and token MLPs: "MLP-Mixer" (Tolstikhin et al. 2021), table 1.
MIXER = {
    "s": (512, 8, 2048, 256),
    "b": (768, 12, 3072, 384),
    "l": (1024, 24, 4096, 512),
    "h": (1280, 32, 5120, 640),
}
RESNET_WIDTH = 64


class Variant(NamedTuple):
    """A published model as studies build it.

    - name: of its shape, e.g. V384-12.
    - patch: in pixels; None where its name says none.
    - settings: of ModelConfig, which make it the published one.
    """

    name: str
    patch: int | None
    settings: dict[str, Any]


def variant(name: str) -> Variant | None:
    """The published model of this name, e.g. vit-s/16, mixer-b or resnet50; None where it is none.

    Raises UserError where its shape is none that studies can change.
    """
    found = re.fullmatch(r"(vit|mixer)-([A-Za-z]+)(?:/([1-9][0-9]{0,3}))?", name)
    table = {"vit": VIT, "mixer": MIXER}.get(found[1], {}) if found else {}
    if found and found[2] in table:
        width, depth, mlp, last = table[found[2]]
        patch = int(found[3]) if found[3] else None
        if found[1] == "mixer":
            return Variant(f"M{width}-{depth}", patch, {})
        if mlp != 4 * width:
            raise UserError(
                f"model.names: {name!r} has MLPs of {mlp} channels, and those of V{width}-{depth} have"
                f" {4 * width}; studies train no such model, choose another"
            )
        return Variant(f"V{width}-{depth}", patch, {"pool": "cls", "head_dim": width // last})
    if found := re.fullmatch(r"resnet([1-9][0-9]{0,3})", name):
        return Variant(f"R{RESNET_WIDTH}-{found[1]}", None, {})
    return None
