"""Many comparisons, seeds and test images, and what is said of them: against scipy, baycomp, statsmodels and simulation."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reglab.experiments import stats
from reglab.experiments.stats import crossed, many, pooled
from reglab.experiments.stats.differences import LEVEL

BENCHMARK = Path(__file__).parents[2] / "benchmarks/verdicts.py"


def by_seed(values, first: int = 0) -> dict[int, float]:
    return dict(enumerate(values, first))


def cells(k: int, seeds: int, seed: int = 0, effect: float = 0.0) -> list[dict[int, float]]:
    rng = np.random.default_rng(seed)
    luck = rng.normal(57, 1, seeds)
    return [by_seed(luck + rng.normal(0, 0.7, seeds) + effect * (i == 1)) for i in range(k + 1)]


# ---- Dunnett and Holm --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("k", "n"), [(2, 3), (3, 3), (12, 5), (28, 3)])
def test_the_tail_is_dunnetts(k, n):
    """scipy's test is for groups that share no seed; its statistic is looked up in the same distribution."""
    rng = np.random.default_rng(k)
    x = rng.normal(0, 1, (k + 1, n))
    error = (2 * x.var(1, ddof=1).mean() / n) ** 0.5
    ours = [many.tail(t, k, (k + 1) * (n - 1)) for t in (x[1:].mean(1) - x[0].mean()) / error]
    assert ours == pytest.approx(scipy_stats.dunnett(*x[1:], control=x[0], rng=1).pvalue, abs=1e-3)


@pytest.mark.parametrize(
    ("k", "df", "t"), [(2, 5, 3.03), (4, 10, 2.89), (8, 20, 2.90), (9, 20, 2.95), (3, 60, 2.41), (9, 120, 2.73)]
)
def test_critical_values_are_those_of_dunnetts_tables(k, df, t):
    """Two-sided, 5 % (Dunnett 1964, "New tables for multiple comparisons with a control", Biometrics 20)."""
    assert many.critical(0.05, k, df) == pytest.approx(t, abs=0.006)
    assert many.tail(many.critical(0.05, k, df), k, df) == pytest.approx(0.05, abs=1e-6)


def test_without_correlation_it_is_the_studentized_maximum_modulus():
    """Of independent |t| with as good as known scatter it is Sidak's; tables have 3.10 for 5 of them and 10 degrees of freedom."""
    assert many.critical(0.05, 12, 1e6, 0.0) == pytest.approx(
        scipy_stats.norm.isf((1 - 0.95 ** (1 / 12)) / 2), abs=1e-4
    )
    assert many.critical(0.05, 5, 10, 0.0) == pytest.approx(3.10, abs=0.01)
    assert many.critical(0.05, 5, 10, 0.0) > many.critical(0.05, 5, 10)


def test_holms_steps_are_those_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    ps = [0.011, 0.2, 0.004, 0.04, 0.9, 0.012]
    assert stats.holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])
    levels = many.holm_levels(ps, 0.05)
    assert [p <= level for p, level in zip(ps, levels, strict=True)] == [p <= 0.05 for p in stats.holm(ps)]


# ---- many against one --------------------------------------------------------------------------------------------
def test_seeds_as_blocks_share_their_scatter():
    """The residual of the two-way layout, by hand; groups that scatter alike are judged by it with (G - 1)(S - 1) df."""
    groups = cells(3, 5, seed=1)
    x = np.array([list(group.values()) for group in groups])
    left = x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()
    variance = 2 * (left**2).sum() / 12
    told = stats.differences(groups[0], groups[1:])
    assert {d.df for d in told} == {12.0} and [d.of for d in told] == [3] * 3
    for d, row in zip(told, x[1:], strict=True):
        error = (variance / 5) ** 0.5
        assert (d.mean, d.error) == pytest.approx(((row - x[0]).mean(), error))
        assert d.p == pytest.approx(many.tail(d.mean / error, 3, 12))
        assert d.high - d.mean == pytest.approx(many.critical(0.05, 3, 12) * error)


def test_one_that_scatters_by_far_more_is_judged_alone():
    groups = cells(6, 5)
    groups[3] = by_seed([50.0, 60.0, 40.0, 65.0, 57.0])
    told = stats.differences(groups[0], groups[1:])
    own = np.std([groups[3][s] - groups[0][s] for s in range(5)], ddof=1)
    assert told[2].df == 4 and told[2].sd == pytest.approx(own)
    assert told[0].sd < own / 5  # and it does not hide the others


def test_a_baseline_that_scatters_more_counts_in_full():
    rows = np.random.default_rng(2).normal(size=(13, 5)) * np.r_[10, np.ones(12)][:, None]
    variance, df = pooled.scatter(rows)
    assert np.median(variance) == pytest.approx((rows[0] - rows[1:].mean(0)).var(ddof=1) + 11 / 12, rel=0.05)
    assert np.median(df) < 5


def test_copies_of_the_baseline_say_nothing_of_the_others():
    plain, other, third = cells(2, 5)
    told = stats.differences(plain, [other, plain, third])
    alone = stats.differences(plain, [other, third])
    assert told[1].mean == 0 and told[1].error == 0 and not told[1].is_real
    assert (told[0].sd, told[2].sd) == pytest.approx((alone[0].sd, alone[1].sd))


def test_groups_with_other_seeds_are_judged_too_and_all_hold_together():
    plain, a, b = cells(2, 4)
    elsewhere = {seed + 100: value for seed, value in b.items()}
    paired, unpaired = stats.differences(plain, [a, elsewhere])
    assert paired.paired and not unpaired.paired and {paired.rho, unpaired.rho} == {0.0}
    alone = stats.difference(plain, elsewhere)
    assert unpaired.error == pytest.approx(alone.error) and unpaired.p > alone.p
    single = stats.differences(plain, [a, {0: 58.0}])
    assert single[0].of == 1 and single[1].low is None and stats.word(single[1]) == "an anecdote"


# ---- seeds and test images ---------------------------------------------------------------------------------------
def test_parts_of_the_variance_are_those_of_the_two_way_layout():
    table = np.random.default_rng(0).integers(-1, 2, (3, 40)).astype(float)
    told = crossed.parts(table)
    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    assert told.of_images == pytest.approx(table.mean(0).var(ddof=1) / 40)
    assert told.residual == pytest.approx((left**2).sum() / (2 * 39) / 120)
    unpaired = crossed.parts_unpaired(table[:2], table)
    assert unpaired.residual == pytest.approx(crossed.parts(table[:2]).residual + told.residual)


def test_seeds_that_agree_by_chance_do_not_hide_that_test_images_are_few():
    """+0.2 points from each of three seeds on 500 images: one image more, which is nothing."""
    rng = np.random.default_rng(0)
    plain = rng.random((3, 500)) < 0.57
    other = plain.copy()
    for before, after in zip(plain, other, strict=True):
        swapped = [
            *rng.choice(np.flatnonzero(before), 30, replace=False),
            *rng.choice(np.flatnonzero(~before), 31, replace=False),
        ]
        after[swapped] = ~before[swapped]
    a, b = (by_seed([100 * bits.mean() for bits in side]) for side in (plain, other))
    seeds_only, both = stats.difference(a, b), stats.difference(a, b, (by_seed(plain), by_seed(other)))
    assert seeds_only.mean == pytest.approx(0.2) and seeds_only.high - seeds_only.low < 1e-9
    assert both.images == 500 and both.low < -1 and both.high > 1 and not both.is_likely


def test_answers_count_only_where_all_runs_have_them():
    a, b = by_seed([50.0, 60.0]), by_seed([60.0, 70.0])
    bits = np.arange(10) < 5
    assert stats.difference(a, b, ({0: bits, 1: bits}, {0: bits})).images == 0
    assert stats.difference(a, b, ({0: bits, 1: bits}, {0: bits[:5], 1: bits[:5]})).images == 0
    assert stats.difference(a, b, ({0: bits, 1: bits}, {0: bits, 1: ~bits})).images == 10
    unpaired = {seed + 7: value for seed, value in b.items()}
    assert stats.difference(a, unpaired, ({0: bits, 1: bits}, {7: bits, 8: bits})).images == 10
    assert stats.interval([50.0, 60.0], [bits, bits]).images == 10


# ---- in words ----------------------------------------------------------------------------------------------------
def a_difference(mean: float, error: float, n: int = 5, **more) -> stats.Difference:
    half = many.critical(0.05, 1, n - 1) * error
    p = many.tail(mean / error, 1, n - 1)
    return stats.Difference(
        mean, mean - half, mean + half, n, p, True, error * n**0.5, error=error, df=n - 1.0, df_seeds=n - 1.0, **more
    )


def test_a_verdict_is_plain():
    assert stats.verdict(a_difference(3.1, 0.4)) == "+3.1 points, 95 % interval 2.0 to 4.2, 5 seeds: real."
    likely = stats.verdict(a_difference(3.1, 1.0))
    assert likely.startswith(
        "+3.1 points, 95 % interval 0.3 to 5.9, 5 seeds: likely; run 8 seeds in all (80 % power) and decide then."
    )
    assert stats.verdict(a_difference(1.0, 0.6)).endswith(
        "cannot tell yet; run 20 seeds in all (80 % power) and decide then."
    )
    assert (
        stats.verdict(a_difference(0.1, 0.15))
        == "+0.1 points, 95 % interval −0.3 to 0.5, 5 seeds: practically equal (within ±0.5 points)."
    )
    assert stats.verdict(a_difference(0.3, 0.05, 20)).endswith("real, but within ±0.5 points, so practically equal.")
    assert stats.verdict(a_difference(0.1, 0.6)).endswith(
        "cannot tell yet; 100 seeds would not show so small a difference."
    )
    unpaired = stats.Difference(-3.1, -4.3, -1.9, 4, 0.001, False, 1.0, error=0.5, df=6.0)
    assert (
        stats.verdict(unpaired) == "−3.1 points, 95 % interval −4.3 to −1.9, at least 4 runs a side, not paired: real."
    )
    assert "practically" not in stats.verdict(
        a_difference(0.01, 0.02), "", 3
    )  # of a loss nobody said what is too little


def test_after_more_than_five_seeds_there_is_no_further_look():
    assert stats.verdict(a_difference(1.0, 0.6, 8)).endswith("8 seeds: not shown with 8 seeds.")
    assert stats.verdict(a_difference(1.0, 0.4, 8)).endswith("8 seeds: likely, but not shown.")


def test_few_test_images_are_named_where_more_seeds_would_not_help():
    d = a_difference(1.0, 1.5, images=500, beyond=2.0)
    assert stats.verdict(d).endswith("100 seeds would not show so small a difference on 500 test images.")


@pytest.mark.parametrize(("mean", "error", "n"), [(1.0, 0.6, 5), (2.0, 1.0, 3), (0.8, 0.4, 4)])
def test_the_seeds_asked_for_have_80_percent_power(mean, error, n):
    from statsmodels.stats.power import TTestPower

    d = a_difference(mean, error, n)
    told = stats.seeds_in_all(d)
    sizes = np.arange(told - 1, told + 1)
    before, there = (TTestPower().power(mean / d.sd, size, LEVEL) for size in sizes)
    assert there >= 0.795 and (before < 0.8 or told == 6)


def test_practically_equal_agrees_with_baycomp():
    """`baycomp.CorrelatedTTest(x, y, rope=0.5).probs()`, whose variance has Nadeau and Bengio's share 1 / (n - 1) more than ours."""
    y = np.array([57.1, 58.0, 56.6, 57.9, 57.3])
    x = np.array([57.0, 57.5, 56.9, 57.2, 57.1])
    d = stats.difference(by_seed(x), by_seed(y))
    folds = d.error * (1 + 5 / 4) ** 0.5
    assert stats.within(d.mean, folds, 4, 0.5) == pytest.approx(BAYCOMP, abs=1e-6)
    assert stats.within(d.mean, d.error, d.df, 0.5) == pytest.approx(POSTERIOR, abs=1e-6)
    assert stats.within(0.2, 0, 4, 0.5) == (0, 1, 0)


BAYCOMP = (0.02279299940961457, 0.7918560950361252, 0.18535090555426026)
POSTERIOR = (
    0.006316996349602324,
    0.8910523864797306,
    0.10263061717066702,
)  # `baycomp.single.Posterior(mean, variance / n, n - 1, rope=0.5).probs()`


def test_one_line_says_what_is_in_the_intervals():
    groups = cells(2, 3)
    told = stats.differences(groups[0], groups[1:])
    assert stats.covers(told, "plain") == (
        "95 % intervals cover seeds only, not test images; those of the 2 differences from plain hold together (Dunnett)."
    )
    bits = [by_seed(np.random.default_rng(i).random((3, 500)) < 0.5) for i in range(2)]
    one = stats.difference(groups[0], groups[1], (bits[0], bits[1]))
    assert stats.covers([one], "plain") == "95 % intervals cover seeds and the 500 test images."
    assert stats.covers([stats.difference({0: 1.0}, {0: 2.0})], "plain") == ""


# ---- how often it is wrong: `benchmarks/verdicts.py` in short -----------------------------------------------------
@pytest.fixture(scope="module")
def benchmark() -> dict:
    return runpy.run_path(str(BENCHMARK))


def test_the_simulation_decides_as_the_lab_does(benchmark):
    rows = np.random.default_rng(4).normal(size=(40, 5, 3))
    rows[:, 1] += 4
    for level in (0.05, LEVEL):
        ours = [
            [d.p <= level for d in stats.differences(by_seed(row[0]), [by_seed(x) for x in row[1:]])] for row in rows
        ]
        assert ours == benchmark["judged"](rows, level).tolist()
    told = benchmark["seeds_in_all"](rows[:8])
    for row, advised in zip(rows[:8], told, strict=True):
        ours = [stats.seeds_in_all(d) or 101 for d in stats.differences(by_seed(row[0]), [by_seed(x) for x in row[1:]])]
        assert np.abs(np.array(ours) / advised - 1).max() < 0.06  # of whose critical values only two digits of df count


@pytest.mark.parametrize("k", [3, 12, 28])
def test_of_cells_that_are_equal_few_sweeps_call_one_real(k, benchmark):
    """1,500 sweeps; bounds are three standard errors from 6 %, and far from the 14, 39 and 64 % without adjustment."""
    told = benchmark["family"](k, 3, 1_500, np.random.default_rng(k))
    scatters = ("plain scatters twice as much", "each scatters otherwise")
    assert max(told["likely"], told["real"]) <= 0.06 and max(told[name] for name in scatters) <= 0.078
    assert told["alone"] > 0.1 and told["power, 5 points"] > 0.7


def test_whoever_obeys_is_not_led_astray(benchmark):
    told = benchmark["advice"](1, 3, 3_000, np.random.default_rng(0))
    assert told["both, largest"] <= 0.066 < 0.09 < told["as before"]


def test_intervals_hold_the_truth_of_seeds_and_images(benchmark):
    told = benchmark["coverage"](500, 3, 500, np.random.default_rng(0))
    assert 0.93 <= told["mean"] <= 0.99 and 0.93 <= told["difference"] <= 0.99 and told["mean, seeds only"] < 0.91


def test_few_are_practically_equal_that_are_not(benchmark):
    told = benchmark["equal"](20, 1_500, np.random.default_rng(0))
    assert told["worth 0.5"] <= 0.067 and told["worth 0"] > 0.75


def test_the_readme_holds_the_tables_of_what_was_simulated(benchmark):
    told = json.loads(BENCHMARK.with_suffix(".json").read_text())
    assert benchmark["table"](told) in (BENCHMARK.parent / "README.md").read_text(), (
        "python benchmarks/verdicts.py --table"
    )
    equal = [row["likely"] for row in told["family"]] + [row["real"] for row in told["family"]]
    obeyed = [row[name] for row in told["advice"] for name in ("both, smallest", "both, largest")]
    assert max(equal) <= 0.06 and max(obeyed) <= 0.06
