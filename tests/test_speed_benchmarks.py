"""What is said of speed is counted and drawn as it should be; how fast this machine is, is no matter for a test."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest
import torch
from benchmarked import benchmark, cells
from conftest import ROOT
from torch.utils.flop_counter import FlopCounterMode

from reglab.errors import ConfigError

sys.path.insert(0, str(ROOT / "benchmarks"))
import conditions
import contestants
import curves
import plot
import roofline
import throughput
from networks import Turn
from products import Products

CPU = torch.device("cpu")


# ---- throughput.py -----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_throughput_tells_of_every_side_and_every_target(tmp_path):
    keras = ("--keras", sys.executable) if find_spec("keras") else ()
    printed = benchmark("throughput.py", "--quick", "--json", tmp_path / "measured.json", *keras)
    [told] = json.loads((tmp_path / "measured.json").read_text())["machines"].values()

    assert all(len(values) == 1 and values[0] > 0 for values in told["images_per_second"].values())
    speeds, [ratio] = told["medians"], told["by_round"]["A / B"]
    assert ratio == pytest.approx(speeds["A"] / max(speeds["B 0w"], speeds["B 2w"]))
    assert speeds["overhead"] == pytest.approx(1 - speeds["A"] / speeds["bare"])
    assert speeds["bare / products"] == pytest.approx(speeds["bare"] / speeds["products"])
    assert told["images_per_processor_second"].keys() == {
        name for name in told["images_per_second"] if "2w" not in name
    }
    assert told["by_round_of_processor_time"].keys() == told["by_round"].keys()
    assert {row[0].partition(":")[0] for row in cells(printed)} >= told["images_per_second"].keys() | told[
        "by_round"
    ].keys()
    for target, verdict in told["verdicts"].items():
        assert verdict.startswith(("met", "NOT MET", "not measured"))
        assert any(line.startswith(target) and line.endswith(verdict) for line in printed.splitlines())
    assert bool(told["keras"]) == bool(keras)
    for fit in told["keras"].values():
        assert (
            fit["parameters"] == 550_570 and len(fit["losses"]) == 2
        )  # the network of the lab, the warm-up and a round


def test_the_fastest_of_a_kind_stands_for_it():
    seconds = {"A": [1.0, 2.0], "bare": [0.5, 1.0], "A plain": [1.0, 1.0], "products": [0.25, 1.0]}
    seconds |= {"B 0w": [3.0, 6.0], "B 2w": [2.0, 4.0], "C 0w": [1.0, 1.0], "K plain": [0.1, 0.1], "K fp32": [4.0, 4.0]}
    told = throughput.compare(seconds)
    assert told["A / B"] == [2, 2] and told["A / K"] == [4, 2] and told["bare / products"] == [0.5, 1]
    assert told["overhead"] == [0.5, 0.5]
    assert "A / K" not in throughput.compare({name: taken for name, taken in seconds.items() if name[0] != "K"})


@pytest.mark.parametrize(("python", "said"), [("no-such-python", "does not run"), (sys.executable, "has no Keras")])
def test_keras_is_asked_for_only_where_it_is(python, said):
    if python == sys.executable and find_spec("keras"):
        pytest.skip("here it is")
    with pytest.raises(ConfigError, match=said):
        contestants.keras_sides(python, "fp32")
    assert throughput.main(["--quick", "--keras", python]) == 2


def test_a_process_beside_answers_line_by_line_and_its_last_words_are_told(tmp_path):
    says = """
import sys
print('{"begun": 1}', flush=True)
print(sys.stdin.readline(), end="", flush=True)
sys.exit("enough")
"""
    with contestants.answers_of([sys.executable, "-c", says], tmp_path / "errors.txt") as answer:
        assert answer(None) == {"begun": 1} and answer('{"asked": 2}') == {"asked": 2}
        with pytest.raises(SystemExit, match="enough"):
            answer(None)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_products_alone_are_all_products_of_a_step_and_nothing_else(precision):
    turn, products = Turn("resnet20", 2, CPU, precision), Products()
    turn.network.train()
    with FlopCounterMode(display=False) as step, products:
        turn.step()
    with FlopCounterMode(display=False) as alone:
        products()
    assert alone.get_flop_counts() != {} and alone.get_total_flops() == step.get_total_flops()
    weights = [p.detach().clone() for p in turn.network.parameters()]
    products()
    assert all(map(torch.equal, weights, turn.network.parameters()))


# ---- roofline.py, curves.py --------------------------------------------------------------------------------------
def test_the_operations_of_a_step_are_those_that_torch_counts():
    """But for the gradient by the pixels, which nobody needs and which the roofline counts."""
    turn = Turn("basic_cnn", 4, CPU, "fp32")
    turn.network.train()
    with FlopCounterMode(display=False) as counter:
        turn.step()
    operations, moved = roofline.work(turn, "fp32", 4)
    by_the_pixels = 2 * 9 * 3 * 32 * 32**2
    assert (operations - by_the_pixels) * 4 == counter.get_total_flops()
    assert moved > roofline.work(turn, "bf16", 4)[1]  # half the bytes for an activation
    assert moved > roofline.work(turn, "fp32", 128)[1]  # the weights are moved once for all images of a batch


@pytest.mark.slow
def test_the_roofline_tells_of_each_network_below_its_roof():
    printed = benchmark("roofline.py", "--quick", "--only", "basic_cnn,efficientnet_lite0")
    assert [row[0] for row in cells(printed)[2:]] == ["basic_cnn", "efficientnet_lite0"]
    assert "GB/s" in printed and "the quickest of 1 steps" in printed


@pytest.mark.slow
def test_the_curves_tell_what_was_measured_and_what_was_expected(tmp_path):
    printed = benchmark("curves.py", "--quick", "--output", tmp_path / "curves.json")
    [entry] = json.loads((tmp_path / "curves.json").read_text())["machines"].values()
    points = [point for curve in entry["curves"].values() for point in curve]
    assert len(points) == len(cells(printed)[2:]) == 8
    for point in points:
        measured, expected, ratio = (point[what]["median"] for what in ("measured", "expected", "ratio"))
        assert ratio == pytest.approx(measured / expected, rel=0.01) and expected > 0
    assert entry["curves"].keys() == curves.CURVES.keys()
    ElementTree.fromstring((tmp_path / "curves.svg").read_text())


@pytest.mark.parametrize("script", [roofline, curves])
def test_the_picture_beside_the_figures_is_drawn_from_them(script):
    name = script.__name__
    told = json.loads((ROOT / f"benchmarks/{name}.json").read_text("utf-8"))
    picture = (ROOT / f"benchmarks/{name}.svg").read_text("utf-8")
    assert picture == script.drawn(told), f"run `python benchmarks/{name}.py --draw`"
    assert all(kind in " ".join(ElementTree.fromstring(picture).itertext()) for kind in told["machines"])
    assert all(script.table(entry).count("\n| ") > 8 for entry in told["machines"].values())


def test_another_kind_of_machine_stands_beside_the_first(tmp_path):
    file = tmp_path / "kept.json"
    one, other, again = ({"conditions": {"kind": kind}, "n": n} for n, kind in enumerate(["A", "B", "A"]))
    conditions.kept(file, one)
    conditions.kept(file, other)
    assert (
        conditions.kept(file, again)["machines"] == {"A": again, "B": other} == json.loads(file.read_text())["machines"]
    )
    assert conditions.kept(None, one) == {"machines": {"A": one}}


def test_a_panel_is_logarithmic_and_labels_keep_apart():
    panel = plot.Panel("", (1, 100), (1, 10_000), "")
    left, bottom = panel.at(1, 1)
    right, top = panel.at(100, 10_000)
    assert panel.at(10, 100) == pytest.approx(((left + right) / 2, (bottom + top) / 2)) and top < bottom
    assert plot.decades(1, 10_000) == [1, 10, 100, 1_000, 10_000] and plot.decades(4, 30) == [5, 10, 20]
    assert plot.apart([30, 10, 11], 5) == [30, 10, 15]
