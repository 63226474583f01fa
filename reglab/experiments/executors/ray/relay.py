"""What sits on the head of the cluster between this machine and the nodes: an actor that holds the streams of all runs."""

from __future__ import annotations

from typing import Any

from reglab import compat
from reglab.experiments.executors.ray import node


class Relay:
    """Holds the streams of all runs, on the head: Ray Client, which is what ray:// speaks, refuses to hold a stream."""

    def __init__(self) -> None:
        self.streams: dict[int, Any] = {}
        self.asked: set[int] = set()

    def begin(self, number: int, need: dict[str, float], config: dict[str, Any], data: list[Any], *rest: Any) -> None:
        """Start the training of that run on a node that has what it needs."""
        import ray

        me = ray.get_runtime_context().current_actor
        remote: Any = ray.remote
        task = remote(**compat.ray.streaming(16), **need)(node.told)
        self.streams[number] = task.remote(me, number, config, data[0], *rest)

    async def next(self, number: int) -> dict[str, Any]:
        """The next thing that run has to tell; empty at its end."""
        import ray

        try:
            return await (await anext(self.streams[number]))
        except StopAsyncIteration:
            last: dict[str, Any] = {}
        except ray.exceptions.RayError as error:
            last = {"lost": f"{type(error).__name__}: {compat.ray.last_word(error)}"}
        del self.streams[number]
        self.asked.discard(number)
        return last

    def stop(self, number: int, begun: bool) -> None:
        """Let the run come to a stop; one of which nothing was heard may still be waiting for a place, and is called off."""
        import ray

        self.asked.add(number)
        if not begun and number in self.streams:
            ray.cancel(self.streams[number])

    def is_asked_to_stop(self, number: int) -> bool:
        """Whether that run is to stop after the step under way."""
        return number in self.asked
