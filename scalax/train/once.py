"""Values that are made once, whichever thread asks first."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any


class Once:
    """Values by key, each made once: threads that ask for one that is being made wait for it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._made: dict[Hashable, Future] = {}

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            mine = key not in self._made
            future = self._made.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as e:
                with self._lock:
                    del self._made[key]  # the next to ask may have more luck
                future.set_exception(e)
        return future.result()
