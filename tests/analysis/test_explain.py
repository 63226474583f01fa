"""Grad-CAM, Monte-Carlo dropout and views, compared with cases that can be worked out by hand."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from reglab import compat, models
from reglab.analysis.explain import grad_cam, has_dropout, monte_carlo, tta_views
from reglab.errors import ConfigError
from reglab.models import MODELS, ModelSpec


def picture(seed: int = 0, side: int = 32) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def same_weights_every_time() -> None:
    torch.manual_seed(0)


def stirred(network: nn.Module) -> nn.Module:
    """The network in eval mode, no weight of it zero, as some begin."""
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape))
    return network.eval()


class Averaged(nn.Module):
    """A convolution, a ReLU, the mean over all places, a classifier: here Grad-CAM is the class-activation map."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4, padding=1), nn.ReLU(inplace=inplace))
        self.head = nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)))


# ---- Grad-CAM ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("label", range(4))
def test_behind_a_global_mean_grad_cam_is_the_class_activation_map(label, inplace):
    """Zhou et al. 2016: the maps weighted by the classifier's row; Selvaraju et al. 2017, section 3.1, show it the same."""
    network = stirred(Averaged(inplace))
    with torch.no_grad():
        network.head.weight[:, 0] += 1  # so that something speaks for every class
    cam, layer = grad_cam(network, picture(), label)
    with torch.no_grad():
        maps = network.body(picture())
        expected = torch.einsum("k,nkhw->nhw", network.head.weight[label], maps)[:, None].relu()
        expected = interpolate(expected, (32, 32), mode="bilinear")[0, 0]
    torch.testing.assert_close(cam, expected / expected.max())
    assert layer == "body.1 (ReLU)" and cam.max() == 1


def test_work_in_place_behind_the_layer_changes_nothing():
    class Followed(nn.Module):
        def __init__(self, inplace: bool) -> None:
            super().__init__()
            self.conv, self.head, self.inplace = nn.Conv2d(3, 6, 5, stride=4), nn.Linear(6, 4), inplace

        def forward(self, images: Tensor) -> Tensor:
            return self.head((relu(self.conv(images), inplace=self.inplace) ** 2).mean((2, 3)))

    network, twin = Followed(True).eval(), Followed(False).eval()
    twin.load_state_dict(network.state_dict())
    (one, layer), (two, _) = grad_cam(network, picture(), 1), grad_cam(twin, picture(), 1)
    assert layer == "conv (Conv2d)" and one.max() == 1 and torch.equal(one, two)


def test_where_nothing_speaks_for_the_class_the_map_is_zero():
    network = stirred(Averaged())
    with torch.no_grad():
        network.head.weight.copy_(-network.head.weight.abs())
    cam, _ = grad_cam(network, picture(), 0)
    assert torch.equal(cam, torch.zeros(32, 32))


def test_it_points_at_what_the_class_is_made_of():
    """A network that counts red in the maps of its convolution, and a red square in the lower right."""
    network = Averaged().eval()
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        network.body[0].weight[0, 0] = 1
        network.head.weight[2, 0] = 1
    image = torch.zeros(1, 3, 32, 32)
    image[0, 0, 20:, 20:] = 1
    cam, _ = grad_cam(network, image, 2)
    assert cam[22:, 22:].min() > 0.5 and cam[:16, :16].max() == 0


def test_the_last_maps_that_still_say_where_are_taken():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.Dropout(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(16, 2))
    assert grad_cam(network.eval(), picture(), 0)[1] == "0 (Conv2d)"  # 8 x 8; the pooled ones are 2 x 2
    with pytest.raises(ConfigError, match="no feature maps of at least 4 x 4"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)), picture(), 0)


def test_a_branch_beside_a_shortcut_is_not_taken_for_the_whole():
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.branch = nn.Conv2d(3, 4, 3, stride=4), nn.Conv2d(4, 4, 1)
            self.shrink, self.head = nn.MaxPool2d(4), nn.Linear(4, 2)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.stem(images)
            return self.head((self.shrink(self.branch(maps)) + self.shrink(maps)).mean((2, 3)))

    assert grad_cam(Branched().eval(), picture(), 0)[1] == "stem (Conv2d)"


def traces(network: nn.Module) -> tuple[object, ...]:
    return (
        [(m.training, compat.torch.count_hooks(m)) for m in network.modules()],
        [(p.requires_grad, p.grad) for p in network.parameters()],
        {k: v.numpy().tobytes() for k, v in network.state_dict().items()},
        torch.get_rng_state().tolist(),
    )


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_explained_and_left_as_it_was(name, norm):
    spec = ModelSpec(name, norm=norm, width=0.125, dropout=0.5)
    network = stirred(models.build(spec))
    before = traces(network)
    (cam, layer), (again, _) = (grad_cam(network, picture(), 3) for _ in range(2))
    assert torch.equal(cam, again) and cam.shape == (32, 32) and not cam.requires_grad
    assert cam.min() >= 0 and cam.max() in (0, 1) and cam.isfinite().all()
    assert layer.split()[0] in dict(network.named_modules())
    monte_carlo(network, picture(), 3, seed=0)
    assert traces(network) == before


def test_a_kernel_that_spectral_normalization_computes_is_not_taken_for_maps():
    network = models.build(ModelSpec("alexnet_small", width=0.125, spectral_norm=1)).eval()
    assert "parametrizations" not in grad_cam(network, picture(), 0)[1]


def test_networks_of_timm_are_explained():
    timm = pytest.importorskip("timm")
    network = stirred(timm.create_model("test_resnet", num_classes=4, drop_path_rate=0.3))
    before = traces(network)
    cams = [grad_cam(network, picture(side=96), label)[0] for label in range(4)]
    assert all(cam.shape == (96, 96) for cam in cams) and max(cam.max() for cam in cams) == 1
    assert has_dropout(network) and monte_carlo(network, picture(side=96), 4, seed=0).std(0).max() > 0
    assert traces(network) == before


# ---- Monte-Carlo dropout -----------------------------------------------------------------------------------------
def test_the_mean_over_passes_tends_to_the_mean_over_all_masks():
    """Three units, so eight masks: the expectation of the probabilities can be written down."""
    rate = 0.3
    network = stirred(nn.Sequential(nn.Flatten(), nn.Dropout(rate), nn.Linear(3, 2)))
    inputs = torch.tensor([1.0, -2.0, 3.0]).view(1, 3, 1, 1)
    expected = torch.zeros(2)
    for kept in product([0, 1], repeat=3):
        mask = torch.tensor(kept).float()
        chance = (mask * (1 - rate) + (1 - mask) * rate).prod()
        with torch.no_grad():
            expected += chance * network[2](inputs.flatten() * mask / (1 - rate)).div(2.0).softmax(0)
    passes = monte_carlo(network, inputs, 10_000, seed=0, temperature=2.0)
    assert passes.shape == (10_000, 2) and passes.sum(1).allclose(torch.ones(10_000))
    torch.testing.assert_close(passes.mean(0), expected, atol=0.01, rtol=0)


def test_the_same_seed_draws_the_same_whatever_was_drawn_before():
    network = stirred(models.build(ModelSpec("basic_cnn", width=0.125, norm="batch", dropout=0.5)))
    first = monte_carlo(network, picture(), 5, seed=1)
    torch.rand(7)
    assert torch.equal(monte_carlo(network, picture(), 5, seed=1), first)
    assert not torch.equal(monte_carlo(network, picture(), 5, seed=2), first)


def test_without_dropout_all_passes_are_the_networks_answer():
    """Also where layers drop at a rate of zero, as the branches of every ResNet do."""
    network = stirred(models.build(ModelSpec("resnet20", width=0.5, norm="batch")))
    assert not has_dropout(network)
    with torch.no_grad():
        answer = network(picture()).softmax(1)
    torch.testing.assert_close(monte_carlo(network, picture(), 4, seed=0), answer.repeat(4, 1))


@pytest.mark.parametrize("place", ["dropout", "spatial_dropout", "dropblock", "stochastic_depth"])
def test_whatever_drops_is_left_on_and_batch_norm_is_not(place):
    network = stirred(models.build(ModelSpec("resnet20", width=0.5, norm="batch").replace(**{place: 0.5})))
    assert has_dropout(network)
    before = traces(network)
    passes = monte_carlo(network, picture(), 6, seed=0, temperature=1_000)  # untrained, it is sure beyond all measure
    assert passes.std(0).max() > 0
    assert traces(network) == before  # its running statistics among it


def test_a_network_that_answers_by_several_views_is_explained_by_the_picture_itself():
    """Its map and its spread are those of one pass, as of the same network without."""
    spec = ModelSpec("basic_cnn", width=0.125, norm="batch", dropout=0.5)
    plain, several = models.build(spec), models.build(spec.replace(view_below=1.0, view_shift=2, view_mirror=True))
    several.load_state_dict(stirred(plain).state_dict())
    with torch.no_grad():
        assert not torch.equal(several.eval()(picture()), plain(picture()))
    (cam, layer), (expected, name) = (grad_cam(network, picture(), 3) for network in (several, plain))
    assert torch.equal(cam, expected) and layer == name
    assert torch.equal(*(monte_carlo(network, picture(), 5, seed=0) for network in (several, plain)))
    with torch.no_grad():
        assert not torch.equal(several(picture()), plain(picture())), "and then by several again"


def test_modes_are_restored_even_when_the_network_fails():
    network = nn.Sequential(nn.Dropout(), nn.Linear(3, 2)).eval()
    with pytest.raises(RuntimeError):
        monte_carlo(network, picture(), 2, seed=0)
    assert not any(m.training for m in network.modules())


# ---- views -------------------------------------------------------------------------------------------------------
def test_views_are_the_picture_its_shifts_and_their_mirror_images():
    views = tta_views(picture())
    assert views.shape == (10, 3, 32, 32) and torch.equal(views[0], picture()[0])
    at = torch.arange(32)
    slow = [picture()[0][:, (at + y).clamp(0, 31)][:, :, (at + x).clamp(0, 31)] for y in (-2, 0, 2) for x in (-2, 0, 2)]
    assert all(any(torch.equal(view, one) for one in slow) for view in views[:5])
    assert len({tuple(view.flatten().tolist()) for view in views}) == 10
    assert torch.equal(views[5:], views[:5].flip(3))
    assert torch.equal(tta_views(picture(), mirror=False), views[:5])
