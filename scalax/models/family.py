"""What a family of models declares: all that the rest of scalax asks of one, in one record.

A family is a file of this package that defines FAMILY, or a Family that `register` is given from elsewhere.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.errors import UserError, suggest
from scalax.models.growth import Growth
from scalax.registry import Registry
from scalax.schedule import MOST

Fields = Mapping[str, Any]
LONGEST_NAME = 100


class Inputs(NamedTuple):
    """What a family's models take.

    size: the argument of `build` that says how large one example is.
    example: (size, channels) -> shape and dtype of one example, without the batch axis.
    """

    size: str
    example: Callable[[int, int], jax.ShapeDtypeStruct]


IMAGES = Inputs(
    "image_size", lambda size, channels: jax.ShapeDtypeStruct((size, size, channels), jnp.float32)
)
TOKENS = Inputs("context", lambda context, _: jax.ShapeDtypeStruct((context,), jnp.int32))


class Family(NamedTuple):
    """One family of models.

    name: the letter that its names by shape begin with ('V' of V64-4/8), or a word where there are none.
    title: as it is called in text.
    module: the linen class of its models, and of no other family's. Its __call__ takes (inputs [b, ...],
      train=False) and, where it has dropout, example_ids=None; it returns (logits float32, intermediates:
      'block00', ... and 'pre_logits'). Its blocks are its submodules block00, block01, ...
    parse: name -> the fields of `module` that the name says, or None where it is no name of this family.
      Raises UserError for a name that is of the family and of no model.
    build: (name, fields, outputs, size, options) -> module. size: that which `inputs` names. Raises UserError
      where these make no model.
    names: some names, from which one that is unknown gets a suggestion.
    examples: names of every kind, for messages.
    options: names of what `build` takes beside the shape.
    inputs: what an example is, IMAGES or TOKENS or another.
    growth: what a change of shape needs to know; left out where the shape cannot change.
    embedding, head: names of the top-level parameters in these two groups of the cost; all others are
      'blocks'.
    apart: name -> the groups that the published counts 'without head' of the model leave out.
    """

    name: str
    title: str
    module: type[nn.Module]
    parse: Callable[[str], Fields | None]
    build: Callable[[str, Fields, int, int, dict[str, Any]], nn.Module]
    names: tuple[str, ...]
    examples: tuple[str, ...]
    options: tuple[str, ...]
    inputs: Inputs = IMAGES
    growth: Growth = Growth()
    embedding: tuple[str, ...] = ("embedding",)
    head: tuple[str, ...] = ("head",)
    apart: Callable[[str], tuple[str, ...]] = lambda name: ("head",)

    @property
    def axes(self) -> tuple[str, ...]:
        """Those of patch, width, depth and resolution that can change."""
        return tuple(self.growth.axes)


FAMILIES: Registry[Family] = Registry("model family", "scalax.models", "FAMILY")
register = FAMILIES.register


def _nearest(name: str) -> str:
    """The name of a model that one may have meant who wrote `name`: the most of its beginning that is one,
    else a known one like it."""
    names = [known for family in FAMILIES for known in family.names]
    if name.lower() in names:
        return name.lower()
    for end in range(len(name) - 1, 0, -1):
        if any(family.parse(name[:end]) is not None for family in FAMILIES):
            return name[:end]
    return difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]


def find(name: str) -> tuple[Family, Fields]:
    """The family of the model `name`, and the fields of its module that the name says.

    Raises UserError, with the nearest name, where no family knows it.

    >>> family, fields = find("M64-4/8")
    >>> family.title, fields["width"], fields["patch"]
    ('MLP-Mixer', 64, 8)
    """
    if len(name) > LONGEST_NAME:
        raise UserError(f"unknown model {name[:LONGEST_NAME]!r}...: no name of a model is so long")
    if not name.isascii():  # other scripts have digits, too, which would name one model in many ways
        raise UserError(f"unknown model {name!r}: want letters and digits of ASCII, e.g. V192-12/8")
    for family in FAMILIES:
        if (fields := family.parse(name)) is not None:
            for axis, most in MOST.items():  # resolution is in no name
                if fields.get(axis, 0) > most:
                    raise UserError(f"model {name!r}: its {axis} must be {most} at most, got {fields[axis]}")
            return family, fields
    plain, _, patch = name.rpartition("/")
    for family in FAMILIES:
        if patch.isdigit() and "patch" not in family.axes and family.parse(plain) is not None:
            raise UserError(f"model {name!r}: a {family.title} has no patches; leave out /{patch} (patch 1)")
    model, at, side = name.rpartition("@")
    if at and side.isdigit():
        raise UserError(
            f"model {name!r}: a resolution is of a shape, not of a model; leave out @{side}, and give"
            f" {model} images of {side} px"
        )
    nearest = _nearest(name)
    examples = ", ".join(example for family in FAMILIES for example in family.examples)
    raise UserError(f"unknown model {name!r} (did you mean {nearest!r}? families: {examples})")


def family_of(module: nn.Module) -> Family:
    """The family whose model `module` is. Raises ValueError where no registered family has its class."""
    for family in FAMILIES:
        if type(module) is family.module:
            return family
    raise ValueError(f"{type(module).__name__} is the module of no family; models.register one")


def build(
    name: str,
    outputs: int,
    *,
    image_size: int | None = None,
    context: int | None = None,
    dtype: Any = jnp.float32,
    **options: Any,
) -> nn.Module:
    """The module called `name`.

    - outputs: how many logits it gives: classes, or the tokens of the vocabulary.
    - image_size: side of the square images in pixels, for models of images.
    - context: the longest sequence of tokens, for models of text.
    - dtype: of the computation; parameters are float32.
    - options: fields of the family's module (Family.options).

    `module.init(key, inputs)` gives {'params': ...} and, with batch norm, 'batch_stats';
    `module.apply(variables, inputs, train=False)` takes normalised images [b, h, w, c] or tokens [b, t] and
    returns logits [b, outputs] or [b, t, outputs] float32 and a dict of intermediates, one per block, with
    'pre_logits' [b, d] or [b, t, d] the last.
    Raises UserError on an unknown name or option, and on a shape that the family cannot build.

    Flexible models ('V64-4/8', and 'vit-*' on request) keep their patch embedding at the option `base_patch`
    (the patch in the name, unless given) and positions at `base_grid` (image_size // base_patch), and resize
    both to the patch in the name: with these two given, the patch alone tells modules apart, not their
    parameters. Mixers take `base_patch` alone: their token MLPs live on the grid in use.

    >>> build("V64-4/4", 10, image_size=16, base_patch=8, base_grid=2).patch
    4
    """
    family, fields = find(name)
    if unknown := sorted(set(options) - set(family.options)):
        raise UserError(f"model {name!r} has no option {unknown[0]!r}{suggest(unknown[0], family.options)}")
    sizes = {"image_size": image_size, "context": context}
    size = sizes.pop(family.inputs.size)
    for other in (key for key, value in sizes.items() if value is not None):
        kinds = {"image_size": "images", "context": "sequences of tokens"}
        raise UserError(
            f"model {name!r} reads {kinds[family.inputs.size]}, and these are {kinds[other]} ({other}"
            f" {sizes[other]}); choose another model or other data"
        )
    if size is None or size < 1:
        raise UserError(f"model {name!r} needs {family.inputs.size}, at least 1; got {size}")
    return family.build(name, fields, outputs, size, {**options, "dtype": dtype})
