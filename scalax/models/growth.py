"""What a change of shape (scalax.morph) needs to know of a family of models."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Path = tuple[str, ...]


def one_stage(module: Any) -> tuple[int, ...]:
    """The stages of a model whose blocks are all alike."""
    return (module.depth,)


class Growth(NamedTuple):
    """How the models of one family grow. All names are those in the paths of parameters, such as
    block00/attn/query/kernel: 'query' is the module that holds the kernel.

    axes: for each of patch, width, depth and resolution that can change, the module's fields that it sets;
      the resolution sets none.
    free: other fields in which two models may differ, for no parameter depends on them.
    stages: module -> blocks of each stage; within a stage all blocks but the first are alike.
    first_copied: the first block of a stage that a new one may copy: 1 where the first is unlike the others.
    branch_ends: module -> beginnings of paths inside a block, (('mlp', 'out'),): the variables in proportion
      to which a branch of the block adds to the stream. With these at zero, the block is the identity.
    grid_readers, grid_writers: ends of the paths of weights that are functions on the grid of tokens: a
      reader's first axis sums over the grid, a writer's last one gives a signal on it.
    queries, keys, values: modules of attention whose kernels are [width, heads, size of a head].
    norms: layer norms over the width.
    readers: modules that read the stream beside queries, keys, values and norms. All other modules, and
      variables outside of modules, write to it.
    zero: how new channels leave the function as it was. 'stream': they hold the mean of the old ones, so that
      layer norms give zeros for them. 'channels': they are drawn, and the old channels read nothing of them.
      '': neither will do.
    unserved: (module, mode of growth in width) -> why the mode does not serve this model, or ''.
    """

    axes: Mapping[str, tuple[str, ...]] = {}
    stages: Callable[[Any], tuple[int, ...]] = lambda module: ()
    branch_ends: Callable[[Any], tuple[Path, ...]] = lambda module: ()
    free: tuple[str, ...] = ("dtype",)
    first_copied: int = 0
    grid_readers: tuple[Path, ...] = ()
    grid_writers: tuple[Path, ...] = ()
    queries: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    norms: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    zero: Literal["stream", "channels", ""] = ""
    unserved: Callable[[Any, str], str] = lambda module, mode: ""

    @property
    def projections(self) -> tuple[str, ...]:
        return (*self.queries, *self.keys, *self.values)
