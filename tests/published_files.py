"""Arrays under the names and shapes of the public checkpoints, of small models, made anew for tests.

Written from the published files' listings, on purpose without anything of scalax: it is what the readers
are tested against.
"""

import functools

import numpy as np


def _dense(rng, *shape, bias=None):
    bias = shape[-1:] if bias is None else bias
    return {"kernel": rng.normal(size=shape), "bias": rng.normal(size=bias)}


def _norm(rng, d):
    return {"scale": rng.normal(size=d), "bias": rng.normal(size=d)}


def _attention(rng, d, heads):
    c = d // heads
    parts = {name: _dense(rng, d, heads, c, bias=(heads, c)) for name in ("query", "key", "value")}
    return {**parts, "out": _dense(rng, heads, c, d)}


def _mlp(rng, d, hidden):
    return {"Dense_0": _dense(rng, d, hidden), "Dense_1": _dense(rng, hidden, d)}


def flat(tree, prefix=""):
    """{'a': {'b': x}} -> {'a/b': x}, in float32."""
    out = {}
    for key, value in tree.items():
        name = f"{prefix}/{key}" if prefix else key
        out |= flat(value, name) if isinstance(value, dict) else {name: np.asarray(value, np.float32)}
    return out


def vit(flavour, *, d=64, depth=2, heads=1, patch=8, grid=2, classes=5, cls=True, pre_logits=False, pool=""):
    """'augreg' (class token within the positions), 'big_vision' (apart), 'scanned', 'inlined' (probe)."""
    rng = np.random.default_rng(0)
    old = flavour == "augreg"
    names = (
        ("LayerNorm_0", "MultiHeadDotProductAttention_1", "LayerNorm_2", "MlpBlock_3")
        if old
        else ("LayerNorm_0", "MultiHeadDotProductAttention_0", "LayerNorm_1", "MlpBlock_0")
    )
    blocks = []
    for _ in range(depth):
        parts = _norm(rng, d), _attention(rng, d, heads), _norm(rng, d), _mlp(rng, d, 4 * d)
        blocks.append(dict(zip(names, parts, strict=True)))
    tree = {
        "embedding": _dense(rng, patch, patch, 3, d),
        "Transformer": {"encoder_norm": _norm(rng, d)},
        "head": _dense(rng, d, classes),
    }
    if flavour == "scanned":
        each = [flat(block) for block in blocks]
        tree["Transformer"]["encoderblock"] = {key: np.stack([one[key] for one in each]) for key in each[0]}
    else:
        tree["Transformer"] |= {f"encoderblock_{index}": block for index, block in enumerate(blocks)}
    positions = rng.normal(size=(1, grid**2 + 1, d))
    if cls:
        tree["cls"] = rng.normal(size=(1, 1, d))
    if old:
        tree["Transformer"]["posembed_input"] = {"pos_embedding": positions if cls else positions[:, 1:]}
    else:
        tree["pos_embedding"] = positions[:, 1:]
        if cls:
            tree["cls"] = tree["cls"] + positions[:, :1]
    if pre_logits:
        tree["pre_logits"] = _dense(rng, d, d)
    if pool == "map":
        head = {
            "probe": rng.normal(size=(1, 1, d)),
            "MultiHeadDotProductAttention_0": _attention(rng, d, heads),
            "LayerNorm_0": _norm(rng, d),
            "MlpBlock_0": _mlp(rng, d, 4 * d),
        }
        tree |= head if flavour == "inlined" else {"MAPHead_0": head}
    return flat(tree)


def mixer(*, d, depth, channel_dim, token_dim, patch, tokens, classes):
    rng = np.random.default_rng(0)
    tree = {
        "stem": _dense(rng, patch, patch, 3, d),
        "pre_head_layer_norm": _norm(rng, d),
        "head": _dense(rng, d, classes),
    }
    for index in range(depth):
        tree[f"MixerBlock_{index}"] = {
            "LayerNorm_0": _norm(rng, d),
            "LayerNorm_1": _norm(rng, d),
            "token_mixing": _mlp(rng, tokens, token_dim),
            "channel_mixing": _mlp(rng, d, channel_dim),
        }
    return flat(tree)


@functools.cache
def bit(*, classes=5, stages=(3, 4, 6, 3), odd_names=False):
    """BiT-R50x1 of big_transfer. `odd_names`: some files number their convolutions."""
    rng = np.random.default_rng(0)
    conv = "standardized_conv2d_17" if odd_names else "standardized_conv2d"

    def gn(c):
        return {"gamma": rng.normal(size=c), "beta": rng.normal(size=c)}

    tree = {
        "root_block": {conv: {"kernel": rng.normal(size=(7, 7, 3, 64))}},
        "group_norm": gn(2048),
        "head": {"conv2d": _dense(rng, 1, 1, 2048, classes)},
    }
    c_in = 64
    for stage, count in enumerate(stages):
        mid = 64 * 2**stage
        block = tree[f"block{stage + 1}"] = {}
        for unit in range(count):
            shapes = {"a": (1, 1, c_in, mid), "b": (3, 3, mid, mid), "c": (1, 1, mid, 4 * mid)}
            parts = {
                letter: {conv: {"kernel": rng.normal(size=shape)}, "group_norm": gn(shape[2])}
                for letter, shape in shapes.items()
            }
            if not unit:
                parts["a"]["proj"] = {conv: {"kernel": rng.normal(size=(1, 1, c_in, 4 * mid))}}
            block[f"unit{unit + 1:02d}"] = parts
            c_in = 4 * mid
    return flat({"resnet": tree})
