"""Our models as timm's: the same shape, the same function."""

from typing import Any

from scalax import models
from scalax.errors import UserError
from scalax.models.bit import Bit
from scalax.models.mixer import Mixer
from scalax.models.vit import ViT
from scalax.throughput.spec import Spec

BIT = {"50x1", "50x3", "101x1", "101x3", "152x2", "152x4"}
RESNET = {"18", "34", "50", "101", "152"}


def timm_model(spec: Spec) -> tuple[str, dict[str, Any]]:
    """(class, its arguments) or (name, {}) in timm; raises UserError where timm has no such model."""
    module = models.build(spec.model, spec.classes, image_size=spec.image)
    if isinstance(module, ViT):
        return "VisionTransformer", {
            "img_size": spec.image,
            "patch_size": module.patch,
            "embed_dim": module.width,
            "depth": module.depth,
            "num_heads": module.heads,
            "mlp_ratio": _ratio(module.mlp_dim, module.width),
            "global_pool": {"gap": "avg", "cls": "token", "map": "map"}[module.pool],
            "class_token": module.class_token,
            "fc_norm": False,  # the norm comes before the mean of the tokens
        }
    if isinstance(module, Mixer):
        return "MlpMixer", {
            "img_size": spec.image,
            "patch_size": module.patch,
            "embed_dim": module.width,
            "num_blocks": module.depth,
            "mlp_ratio": [_ratio(d, module.width) for d in (module.token_dim, module.channel_dim)],
        }
    variant = spec.model.removeprefix("bit-r")
    if isinstance(module, Bit) and variant in BIT:
        return f"resnetv2_{variant}_bit", {}
    variant = spec.model.removeprefix("resnet").removeprefix("R64-")
    if not isinstance(module, Bit) and variant in RESNET:
        return f"resnet{variant}", {}
    raise UserError(f"`against` timm: timm has no model of the shape of {spec.model!r}; choose another")


def _ratio(hidden: int, width: int) -> float:
    """timm rounds width x ratio down."""
    return (hidden + 0.5) / width
