"""Every use of private or fragile parts of other packages, one function each, with the version that it was read in.

One file a package, called as it is, and `python.py` for the standard library. When a new version breaks something, it
breaks here; `tests/compat/` says which function.
Read first: `torch.py`. Packages are imported when a function runs, so that importing this one costs nothing.
May import: `errors`. What uses it: `from reglab import compat`, then `compat.torch.channels_last(network)`.
"""

from reglab.compat import (
    gradio,
    huggingface_hub,
    pydantic,
    python,
    ray,
    safetensors,
    spaces,
    timm,
    torch,
    torchvision,
    trackio,
    uvicorn,
)

__all__ = [
    "gradio",
    "huggingface_hub",
    "pydantic",
    "python",
    "ray",
    "safetensors",
    "spaces",
    "timm",
    "torch",
    "torchvision",
    "trackio",
    "uvicorn",
]
