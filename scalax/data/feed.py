"""Batches in an order that depends on the seed and epoch only, from an iterator that can be resumed."""

from typing import TYPE_CHECKING

from scalax.data.memory import Dataset
from scalax.errors import UserError

if TYPE_CHECKING:
    import grain

EPOCHS_APART = 1_000_003


def feed(dataset: Dataset, batch_size: int, seed: int) -> "grain.DatasetIterator":
    """Endless batches: int64 [B] row numbers where the images are in memory, else
    {'image': uint8 [B, H, W, C], 'label': int32 [B]} decoded in background threads.

    The iterator's get_state and set_state resume it exactly. Raises UserError where the split is
    smaller than a batch.
    """
    if batch_size > len(dataset):
        raise UserError(f"batch_size {batch_size} exceeds the {len(dataset)} training images; lower it")
    import grain

    in_memory = dataset.images is not None
    # Grain shuffles an epoch by seed + epoch: keep the seeds of a study further apart than that.
    rows = grain.MapDataset.range(len(dataset)).shuffle(seed=seed * EPOCHS_APART).repeat()
    examples = rows if in_memory else rows.map(dataset.source.__getitem__)
    threads = 0 if in_memory else 16
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=0 if in_memory else 4 * batch_size)
    return iter(examples.batch(batch_size, drop_remainder=True).to_iter_dataset(options))
