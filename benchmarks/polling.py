"""What programs cost that ask often: memory that stays, and how long others wait.

    python benchmarks/polling.py                                   # a few minutes; keeps polling.json
    python benchmarks/polling.py --beside ../lab-of-before         # the same for another checkout, in turn with this one
    python benchmarks/polling.py --quick

A program asks by Gradio's endpoints (`POST /gradio_api/call/status`, then the stream with the answer, as `curl` does it) or by
the light routes (`GET /api/status`), where there are any. Each of the three questions gets a server of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))

import serving

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "benchmarks" / "polling.json"
CONFIG = {"dataset": "digits", "train_size": 300, "val_size": 300, "epochs": 1_000, "regularizers": {"batch_norm": {}}}
QUESTIONS = ("memory", "polls", "page")
TARGETS = {"memory": 30.0, "polls": 0.3, "page": 1.0}
MIB = 2**20

Ask = Callable[[httpx.AsyncClient, str, dict[str, Any]], Awaitable[Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="another checkout, measured in turn with this one")
    parser.add_argument(
        "--only", choices=QUESTIONS, action="append", help="measure this, and keep the figures of the rest"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, and nothing is kept")
    parser.add_argument(
        "--json", type=Path, help=f"where to keep the figures (default: {KEPT.name}, with --quick nowhere)"
    )
    args = parser.parse_args(arguments)
    part = 0.1 if args.quick else 1.0
    sides: dict[str, tuple[Path, Ask]] = {"light routes": (ROOT, by_light), "Gradio's endpoints": (ROOT, by_gradio)}
    if args.beside:
        sides["Gradio's endpoints, before"] = (args.beside.resolve(), by_gradio)
    kept = args.json or (None if args.quick else KEPT)
    before = json.loads(kept.read_text("utf-8"))["measured"] if args.only and kept and kept.exists() else {}
    measured: dict[str, dict[str, Any]] = {side: before.get(side, {}) for side in {**before, **sides}}
    for what in args.only or QUESTIONS:
        for side, (checkout, ask) in sides.items():
            measured[side][what] = asyncio.run(globals()[what](checkout, ask, part))
            print(f"{side}: {what} {json.dumps(measured[side][what])}", file=sys.stderr, flush=True)
    told = {"conditions": conditions(args.quick), "targets": TARGETS, "measured": measured}
    print(table(measured))
    if kept:
        kept.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


# ---- what is measured --------------------------------------------------------------------------------------------
async def memory(checkout: Path, ask: Ask, part: float) -> dict[str, Any]:
    """300 sessions of Gradio, then 3,600 polls: what of the server's memory does not come back, and a poll's processor time."""
    sessions, count = int(300 * part), int(3_600 * part)
    async with app(checkout) as (process, client):
        run = await started(client, ask)
        await ask(client, "stop", {"run": run})
        for _ in range(20):  # so that what is loaded once does not count
            await ask(client, "status", {"run": run, "cursor": 0})
            await by_gradio(client, "status", {"run": run, "cursor": 0})
        await asyncio.sleep(3)
        before = process.memory_info().rss
        for _ in range(sessions):
            await by_gradio(client, "status", {"run": run, "cursor": 0})
        await asyncio.sleep(3)
        between, used = process.memory_info().rss, sum(process.cpu_times()[:2])
        for _ in range(count):
            await ask(client, "status", {"run": run, "cursor": 0})
        spent = sum(process.cpu_times()[:2]) - used
        await asyncio.sleep(3)
        after = process.memory_info().rss
    return {
        "sessions": sessions,
        "polls": count,
        "MiB after the sessions": round((between - before) / MIB, 1),
        "MiB after the polls too": round((after - before) / MIB, 1),
        "ms of processor a poll": round(1_000 * spent / count, 2),
    }


async def polls(checkout: Path, ask: Ask, part: float) -> dict[str, Any]:
    """20 programs, each asking once a second, while a run trains on all cores: how long an answer takes."""
    async with app(checkout) as (_, client):
        run, waited = await started(client, ask), []
        await trains(client, ask, run)

        async def follow(begin: float) -> None:
            await asyncio.sleep(begin)
            for _ in range(max(3, int(30 * part))):
                since = time.perf_counter()
                await ask(client, "status", {"run": run, "cursor": 0})
                waited.append(time.perf_counter() - since)
                await asyncio.sleep(max(0.0, 1 - waited[-1]))

        await asyncio.gather(*(follow(n / 20) for n in range(20)))
        await ask(client, "stop", {"run": run})
    return spread(waited)


async def page(checkout: Path, ask: Ask, part: float) -> dict[str, Any]:
    """100 calls of train at once: how long the page takes meanwhile, asked for twenty times a second."""
    count, waited = int(100 * part), []
    async with app(checkout) as (_, client):
        await client.get("/")

        async def start() -> None:
            with suppress(httpx.HTTPStatusError):  # the queue is full, which is an answer too
                await ask(client, "train", CONFIG)

        calls = [asyncio.create_task(start()) for _ in range(count)]
        while not all(call.done() for call in calls) or len(waited) < 10:
            since = time.perf_counter()
            answer = await client.get("/")
            assert answer.status_code == 200 and "gradio_config" in answer.text
            waited.append(time.perf_counter() - since)
            await asyncio.sleep(0.05)
    return spread(waited)


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"n": len(seconds), "p50": round(cuts[49], 4), "p95": round(cuts[94], 4), "most": round(max(seconds), 4)}


# ---- asking ------------------------------------------------------------------------------------------------------
async def by_light(client: httpx.AsyncClient, what: str, told: dict[str, Any]) -> Any:
    if what == "status":
        answer = await client.get("/api/status", params=told)
    else:
        answer = await client.post(f"/api/{what}", json=told)
    answer.raise_for_status()
    return answer.json()["run"] if what == "train" else answer.json()


async def by_gradio(client: httpx.AsyncClient, what: str, told: dict[str, Any]) -> Any:
    data = [told] if what == "train" else list(told.values())
    asked = await client.post(f"/gradio_api/call/{what}", json={"data": data})
    asked.raise_for_status()
    answer = await client.get(f"/gradio_api/call/{what}/{asked.json()['event_id']}")
    event, _, rest = answer.text.rpartition("event: ")[2].partition("\ndata: ")
    if event != "complete":
        raise httpx.HTTPStatusError(rest, request=answer.request, response=answer)
    return json.loads(rest)[0]


async def started(client: httpx.AsyncClient, ask: Ask) -> str:
    return str(await ask(client, "train", CONFIG))


async def trains(client: httpx.AsyncClient, ask: Ask, run: str) -> None:
    for _ in range(120):
        told = await ask(client, "status", {"run": run, "cursor": 0})
        if sum(event["event"] == "epoch" for event in told["events"]) > 1:
            return
        await asyncio.sleep(1)
    raise TimeoutError("the run does not begin")


# ---- the server --------------------------------------------------------------------------------------------------
@asynccontextmanager
async def app(checkout: Path) -> AsyncIterator[tuple[psutil.Process, httpx.AsyncClient]]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    with tempfile.TemporaryDirectory() as folder, serving.app(checkout, Path(folder)) as (process, url, _):
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
            await asyncio.sleep(8)  # the fork server with torch, in the background
            yield process, client


# ---- telling -----------------------------------------------------------------------------------------------------
def table(measured: dict[str, dict[str, Any]]) -> str:
    sides = list(measured)
    rows = [
        ("memory that stays after 300 sessions and 3,600 polls, MiB (< 30)", "memory", "MiB after the polls too"),
        ("processor time of a poll, ms (< 5)", "memory", "ms of processor a poll"),
        ("20 programs polling while training, p95, s (< 0.3)", "polls", "p95"),
        ("`GET /` beside 100 calls of `train`, p95, s (< 1)", "page", "p95"),
    ]
    head = f"| | {' | '.join(sides)} |\n|---|{'---|' * len(sides)}\n"
    lines = [
        f"| {what} | {' | '.join(f'{measured[side][kind][key]:,}' for side in sides)} |" for what, kind, key in rows
    ]
    return head + "\n".join(lines)


def conditions(is_quick: bool) -> dict[str, Any]:
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "gradio": version("gradio"),
        "torch": version("torch"),
        "load": [round(load, 1) for load in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "quick": is_quick,
    }


if __name__ == "__main__":
    raise SystemExit(main())
