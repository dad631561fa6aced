"""Examples: opened from a source, kept on the device where they fit, fed in seeded order."""

from scalax.data.augment import RANGES as RANGES
from scalax.data.augment import augment as augment
from scalax.data.augment import normalise as normalise
from scalax.data.augment import range_of as range_of
from scalax.data.augment import resize as resize
from scalax.data.dataset import Dataset as Dataset
from scalax.data.dataset import Splits as Splits
from scalax.data.feed import check_batch as check_batch
from scalax.data.feed import feed as feed
from scalax.data.kind import Kind as Kind
from scalax.data.loading import KINDS as KINDS
from scalax.data.loading import check as check
from scalax.data.loading import load as load
from scalax.data.loading import open_whole as open_whole
from scalax.data.loading import register as register
from scalax.data.source import ArraySpec as ArraySpec
from scalax.data.source import Source as Source
