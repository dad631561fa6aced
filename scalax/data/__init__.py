"""Images and labels: opened from a source, kept on the device where they fit, fed in seeded order."""

from scalax.data.augment import augment as augment
from scalax.data.augment import normalise as normalise
from scalax.data.feed import check_batch as check_batch
from scalax.data.feed import feed as feed
from scalax.data.memory import Dataset as Dataset
from scalax.data.memory import Splits as Splits
from scalax.data.memory import load as load
