"""What a regularizer is: a frozen set of settings, and the hooks through which it takes part in training.

The whole loop, with the name of every hook at its line (`training/train.py` is this, spelled out):

    technique = technique.for_dataset(source)                   # digits must not be mirrored
    technique = technique.for_schedule(summed_lr)               # how hard to decay in so many steps
    model = build(configure_model(spec))                        # give the network the layers it needs
    on_train_begin(model, state)                                # freeze layers, remember where weights started
    optimizer = Optimizer(configure_optimizer(groups))          # which parameters decay
    while epochs are left and not stop_reason(history):         # early stopping
        for images, labels in epoch:
            optimizer.lr = learning_rate(lr, peak)
            images = view(images, index, epoch)                 # what an image looks like in this epoch
            images = normalize(augment(images))                 # other pictures, the same labels
            images, targets = mix(images, one_hot(labels))      # of several that mix, one is drawn for the batch
            def closure():                                      # one forward and one backward pass
                logits = model(images)                          # hidden(activations, targets) at every layer
                loss = cross_entropy(logits, soft_targets(targets, logits))
                (loss + penalty(model, logits, state)).backward()
            compute_gradients(model, closure)                   # calls the closure once; twice in SAM
            optimizer.step()
            on_step_end(model, state)                           # shorten the weights, or average them
        evaluate(evaluation_model(model, state))                # the network, or that average

A new technique is one new file in this folder with one subclass of `Regularizer`. The file's name is its name
everywhere: the toggle on the screen, the flag, the JSON key. Its fields are its settings, its docstring is its card:
the first paragraph is the idea, and paragraphs that begin with "What you will see:", "When it helps:" and "When it does
not:" are sections of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    from torch import Generator, Tensor, nn

    from reglab.data import Source
    from reglab.models import ModelSpec
    from reglab.training.events import Epoch

State = dict[str, "Tensor"]  # what a regularizer remembers from step to step (an average, say); saved with the run


@dataclass(frozen=True)
class Progress:
    """Where a run is: `step` optimizer steps came before this one, of `total_steps` in all."""

    step: int
    total_steps: int
    steps_per_epoch: int

    @property
    def fraction(self) -> float:
        """The part of the run that lies behind, from 0 to 1."""
        return self.step / self.total_steps

    @property
    def ends_epoch(self) -> bool:
        """Whether this is the last step of its epoch."""
        return (self.step + 1) % self.steps_per_epoch == 0


PROPER = ("Gaussian",)  # names of people, which keep their capital


def lowered(title: str) -> str:
    """A title inside a sentence: without its capital, unless that belongs to it: batch normalization, but SAM, CutMix, L1 penalty."""
    keeps = title[1:2].isdigit() or any(c.isupper() for c in title[1:])
    return title if keeps or title.startswith(PROPER) else title[:1].lower() + title[1:]


class Regularizer(BaseModel):
    """The hooks, in the order in which the loop calls them; each does nothing unless a technique overrides it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: ClassVar[str] = ""  # the name of the file
    title: ClassVar[str] = ""  # the name in the literature
    group: ClassVar[str] = ""  # where it stands on the toggle board, one of GROUPS
    hint: ClassVar[str] = ""  # one line beside the toggle
    synonyms: ClassVar[tuple[str, ...]] = ()  # what else one may look for it by; each search finds all of them
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    order: ClassVar[int] = 0  # inside one hook, and in its group on the board; lower goes first
    # The same in plain PyTorch and in Keras 3, as one would type it; tests run both, with the names of tests/regularizers/lines.py.
    pytorch: ClassVar[str] = ""
    keras: ClassVar[str] = ""  # where Keras has no such thing, a comment that says so
    advice: ClassVar[dict[str, str]] = {}  # another key -> one sentence when both are on
    excludes: ClassVar[dict[str, str]] = {}  # another key -> why not both
    off: ClassVar[dict[str, Any] | None] = None  # the settings with which it does nothing at all; None: there are none
    needs_images: ClassVar[bool] = False  # where there are only features it is refused; see __pydantic_init_subclass__
    passes: ClassVar[int] = 1  # forward and backward, in a step: how often `compute_gradients` calls its closure
    default_on: ClassVar[bool] = False  # switched on when the lab is opened for the first time

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.key = cls.__module__.rpartition(".")[2]
        if "needs_images" not in vars(cls):  # what a class overrides says what it needs
            cls.needs_images = any(overrides(cls, hook) for hook in ("view", "augment", "mix"))

    # ---- once, before training -------------------------------------------------------------------------------
    def for_dataset(self, source: Source) -> Regularizer:
        """This technique as it makes sense for a data set (digits must not be mirrored); usually itself."""
        return self

    def for_schedule(self, summed_lr: float) -> Regularizer:
        """This technique with the settings that follow from the learning rates of all steps, added up; usually itself."""
        return self

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """The network to build: give the layers this technique lives in.

        Raises `ConfigError` where the technique makes no sense for such a network.
        """
        return spec

    def on_train_begin(self, model: nn.Module, state: State) -> None:
        """The network is built, the optimizer is not: freeze parameters, remember where they started.

        What is put into `state` is saved with the run, and is there again when the run is resumed.
        """

    def configure_optimizer(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The optimizer's parameter groups, as other dicts.

        Each has `params` and `kind` ("weight", "norm_and_bias"), `scale` (its learning rate as a share of the run's),
        `weight_decay`, which is decoupled, and `orthogonal`, whether Muon moves it.
        """
        return groups

    # ---- every batch -------------------------------------------------------------------------------------------
    def learning_rate(self, lr: float, peak: float, progress: Progress) -> float:
        """Another learning rate for this step than the one the run's schedule, which rises to `peak`, has for it."""
        return lr

    # Images are float32 (N, 3, H, W) in 0..1 on the device, targets distributions (N, classes). `rng` lives there, too; its
    # draws are a function of seed, epoch, batch and technique alone. A GPU replays steps that are the same operations with
    # the same numbers (`training/replay.py`), without calling these hooks again; where one goes by something on the host, steps
    # are ordinary ones and take longer. What lasts from step to step is in `state`, never in Python.
    def view(self, images: Tensor, index: Tensor, epoch: Tensor) -> Tensor:
        """What each image looks like in this epoch, where that follows from which one it is: float32 of the same shape, in 0..1.

        `index` (N,) says which of the training images these are; `epoch` () is counted from 1. Both are on their device.
        """
        return images

    def augment(self, images: Tensor, rng: Generator) -> Tensor:
        """Other pictures with the same labels: float32 of the same shape, again in 0..1."""
        return images

    def mix(self, images: Tensor, targets: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Pictures and labels mixed with each other. When several techniques mix, one is drawn for each batch.

        The images are normalised by now; the targets must sum to one again. Where only a head is trained, on features
        (N, F, 1, 1), a technique that overrides this is refused, unless it says `needs_images = False`.
        """
        return images, targets

    def hidden(
        self, activations: Tensor, targets: Tensor, layer: int, layers: int, rng: Generator
    ) -> tuple[Tensor, Tensor]:
        """What goes into the network (layer 0: N, C, H, W) or passes between its parts (layers 1 to `layers`: N, ...).

        Asked at every layer of every forward pass in training. `rng` begins anew each time, so that what is drawn
        first is the same at every layer of a batch; whoever wants other draws at each skips some. Under bf16 the
        activations are bf16. Other activations of the same shape may come back, and other targets (N, classes).
        """
        return activations, targets

    def soft_targets(self, targets: Tensor, logits: Tensor) -> Tensor:
        """Other target distributions (N, classes); must be affine in the targets, so that it commutes with mixing.

        The logits (N, classes) are float32, and gradients flow through them.
        """
        return targets

    def penalty(self, model: nn.Module, logits: Tensor, state: State) -> Tensor | None:
        """A scalar in nats added to the loss, and shown apart from it; None where there is nothing to charge for."""
        return None

    def compute_gradients(
        self, model: nn.Module, closure: Callable[[], None], rng: Generator, progress: Progress
    ) -> None:
        """Fill the parameters' gradients; `closure` does one forward and backward pass on the batch.

        Several techniques are wrapped around each other in their order: the closure of the last one is all the others.
        """
        closure()

    def on_step_end(self, model: nn.Module, state: State, progress: Progress) -> None:
        """Change the weights after the optimizer did, or remember something about them in `state`."""

    # ---- every epoch -------------------------------------------------------------------------------------------
    def evaluation_model(self, model: nn.Module, state: State, batches: Iterable[Tensor]) -> nn.Module:
        """The network to evaluate and save, where it is not the one being trained (an average of weights, say).

        `batches` (n, 3, H, W) go once over a fixed slice of the training images, normalised and not augmented.
        """
        return model

    def stop_reason(self, history: Sequence[Epoch]) -> str:
        """A reason ends training. Never asked of no epochs.

        A run with a technique that overrides this stands by its best epoch, whether it was ended or not: `stands_by`.
        """
        return ""


def from_host(rng: Generator, draw: Callable[[np.random.Generator], Iterable[float]]) -> Tensor:
    """Numbers for a batch that the host draws, seeded by `rng` and beside it, as float32 (k,): the same on every device.

    For what torch cannot draw with a generator. That they come as a tensor lets a GPU replay the step with others
    (`training/replay.py`), which a number that is read from `rng.initial_seed()` does not.
    """
    import numpy as np
    import torch

    if hasattr(rng, "from_host"):
        return rng.from_host(draw)
    numbers = list(draw(np.random.default_rng(rng.initial_seed())))
    return torch.tensor(numbers, dtype=torch.float32).to(rng.device, non_blocking=True)


GROUPS = ("Structure", "Penalties", "Data", "Labels", "Optimization", "Transfer")


def in_order(regularizers: Iterable[Regularizer]) -> list[Regularizer]:
    """The order in which they act inside one hook."""
    return sorted(regularizers, key=lambda r: (r.order, r.key))


def overriding(regularizers: Iterable[Regularizer], hook: str) -> list[Regularizer]:
    """Those that do something in a hook, in the order in which they do it."""
    return [r for r in regularizers if overrides(type(r), hook)]


def stands_by(regularizers: Iterable[Regularizer]) -> str:
    """The epoch that a run reports: `last`, or `best` where a technique may end training to go back, also if it never does.

    So a run does not report one kind of number where its patience ran out and another where its epochs did.
    """
    return "best" if overriding(regularizers, "stop_reason") else "last"


def overrides(technique: type[Regularizer], hook: str) -> bool:
    """Whether a technique does something in a hook."""
    return getattr(technique, hook) is not getattr(Regularizer, hook)
