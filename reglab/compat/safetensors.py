"""safetensors: a file has its metadata in any order."""

from __future__ import annotations

import json


def in_order(data: bytes) -> bytes:
    """The same file with its metadata sorted, so that the same tensors give the same bytes.

    Eight bytes tell the length of the header, which is JSON, padded with spaces; safetensors 0.8.0 hashes its metadata.
    """
    size = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return data[:8] + ordered.ljust(size - 8) + data[size:]
