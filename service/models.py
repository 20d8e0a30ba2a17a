"""`ModelCache`: the models a worker holds, loaded one at a time in a thread."""

from __future__ import annotations

import os
import select
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from service.channel import Channel
from service.inference import StreamBatcher

Batcher = StreamBatcher[int]


@dataclass(slots=True)
class _Held:
    loading: Future[Batcher]
    streams: int = 0

    @property
    def there(self) -> bool:
        return self.loading.done() and self.loading.exception() is None

    @property
    def failed(self) -> bool:
        return self.loading.done() and not self.there


class ModelCache:
    """Batchers by model name.

    Args:
        load: makes the batcher of a model; run in a thread, one at a time.
        most: how many are held; those that streams use are never given up, so there may be more for a while.
    """

    def __init__(self, load: Callable[[str], Batcher], most: int) -> None:
        self._load, self._most = load, most
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._loader = ThreadPoolExecutor(1, "model-loader")
        self._wake_read, self._wake_write = os.pipe()

    def names(self) -> list[str]:
        """Models that are there."""
        return [name for name, held in self._held.items() if held.there]

    def batchers(self) -> Iterator[Batcher]:
        """Batchers of the models that are there."""
        for held in list(self._held.values()):
            if held.there:
                yield held.loading.result()

    def load_now(self, name: str) -> None:
        """Loads in this thread; raises what loading raises."""
        done: Future[Batcher] = Future()
        done.set_result(self._load(name))
        self._held[name] = _Held(done)

    def request(self, name: str) -> None:
        """Begins to load `name` where it is not there, or failed before; `wait` returns when it is."""
        if name not in self._held or self._held[name].failed:
            loading = self._loader.submit(self._load, name)
            self._held[name] = _Held(loading)
            loading.add_done_callback(lambda _: os.write(self._wake_write, b"."))
        self._held.move_to_end(name)

    def get(self, name: str) -> Batcher | None:
        """The batcher, None while it is being loaded; raises what loading raised."""
        held = self._held[name]
        return held.loading.result() if held.loading.done() else None

    def hold(self, name: str) -> None:
        """A stream begins to use `name`."""
        self._held[name].streams += 1
        self._give_up()

    def release(self, name: str) -> None:
        """A stream is done with `name`."""
        self._held[name].streams -= 1
        self._give_up()

    def wait(self, channel: Channel, timeout_s: float | None) -> bool:
        """Whether `channel` has something to read; returns early (False) when a model was loaded."""
        ready, _, _ = select.select([channel.fileno(), self._wake_read], [], [], timeout_s)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        return channel.fileno() in ready

    def _give_up(self) -> None:
        """Lets go of the least recently requested models that no stream uses, down to the allowed number."""
        for name, held in list(self._held.items()):
            if len(self._held) <= self._most:
                return
            if held.streams == 0 and held.loading.done():
                del self._held[name]
