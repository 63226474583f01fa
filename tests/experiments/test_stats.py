"""Intervals and effects against scipy, statsmodels and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from reglab.errors import ConfigError
from reglab.experiments import stats

EXPERIMENTS = 2_000


def draws(n: int, mean: float = 0.0, sd: float = 1.0, seed: int = 0) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, sd, n))


def by_seed(values, first: int = 0) -> dict[int, float]:
    return dict(enumerate(values, first))


# ---- one group ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_an_interval_is_students(n):
    x = draws(n, 0.7, 0.02)
    told = stats.interval(x)
    expected = scipy_stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (told.low, told.high) == pytest.approx(tuple(expected), abs=1e-9)
    assert (told.mean, told.n, told.sd) == (pytest.approx(np.mean(x)), n, pytest.approx(np.std(x, ddof=1)))


def test_one_run_has_no_interval():
    assert stats.interval([0.5]) == stats.Interval(0.5, None, None, 1)


@pytest.mark.parametrize("bad", [[], [float("nan")], [0.5, float("inf")]])
def test_nothing_to_compare_is_said(bad):
    with pytest.raises(ConfigError, match="nothing to compare"):
        stats.interval(bad)


# ---- two groups --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 7), (12, 5)])
def test_a_difference_is_what_its_formulas_say(n, m):
    a, b = draws(n, 0.60, 0.02), draws(m, 0.63, 0.05, seed=1)
    variances = [np.var(x, ddof=1) / len(x) for x in (a, b)]
    df = sum(variances) ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(variances, (a, b), strict=True))
    half, mean = scipy_stats.t.ppf(0.975, df) * np.sqrt(sum(variances)), np.mean(b) - np.mean(a)
    told = stats.difference(by_seed(a), by_seed(b, 100))
    assert (told.mean, told.low, told.high) == pytest.approx((mean, mean - half, mean + half), abs=1e-9)
    pairs = np.subtract(b[:2], a[:2])
    half = scipy_stats.t.ppf(0.975, 1) * np.std(pairs, ddof=1) / np.sqrt(2)
    told = stats.difference(by_seed(a[:2]), by_seed(b[:2]))
    assert (told.low, told.high) == pytest.approx((pairs.mean() - half, pairs.mean() + half), abs=1e-9)


def test_a_side_where_nothing_varies_warns_nobody(recwarn):
    told = stats.difference(by_seed([0.7] * 3), by_seed([0.6, 0.7, 0.9], 100))
    assert told.low < told.mean < told.high and not recwarn.list


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_a_paired_difference_is_that_of_scipy(n):
    a, b = draws(n, 0.60, 0.02), draws(n, 0.63, 0.02, seed=1)
    told = stats.difference(by_seed(a), by_seed(b))
    theirs = scipy_stats.ttest_rel(b, a)
    assert told.paired and told.n == n
    assert told.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert (told.low, told.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)), abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 7), (12, 5)])
def test_without_shared_seeds_it_is_welchs(n, m):
    a, b = draws(n, 0.60, 0.02), draws(m, 0.63, 0.05, seed=1)
    told = stats.difference(by_seed(a), by_seed(b, 100))
    theirs = scipy_stats.ttest_ind(b, a, equal_var=False)
    assert not told.paired and told.n == min(n, m)
    assert told.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert (told.low, told.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)), abs=1e-12)


def test_only_the_seeds_that_both_have_are_paired():
    a, b = {0: 0.5, 1: 0.6, 2: 0.7}, {1: 0.65, 2: 0.75, 9: 0.1}
    told = stats.difference(a, b)
    assert (told.mean, told.n, told.paired) == (pytest.approx(0.05), 2, True)


def test_pairing_finds_what_seeds_would_hide():
    seeds = draws(5, 0.6, 0.05)
    a, b = by_seed(seeds), by_seed([x + 0.01 + e for x, e in zip(seeds, draws(5, 0, 0.001, 1), strict=True)])
    assert stats.difference(a, b).is_real
    assert not stats.difference(a, {seed + 100: x for seed, x in b.items()}).is_real


def test_one_pair_is_an_anecdote():
    told = stats.difference({0: 0.5}, {0: 0.6, 1: 0.9})
    assert (told.mean, told.low, told.p, told.paired) == (pytest.approx(0.1), None, None, True)
    assert "anecdote" in stats.verdict(told)
    assert stats.difference({0: 0.5}, {1: 0.6, 2: 0.7}).low is None
    with pytest.raises(ConfigError, match="nothing to compare"):
        stats.difference({}, {0: 0.5})


def test_runs_are_not_thrown_away_for_the_sake_of_a_few_pairs():
    a = by_seed(draws(10, 0.60, 0.01))
    b = {seed: x for seed, x in zip([0, 1, *range(20, 28)], draws(10, 0.63, 0.01, 1), strict=True)}
    told = stats.difference(a, b)
    assert not told.paired and told.n == 10 and told.is_real


def test_few_seeds_that_differ_by_the_same_tell_nothing_yet():
    """Accuracies are counts of images: 2 seeds have the same difference by chance in one case of ten."""
    same = stats.difference({0: 10.0, 1: 11.0, 2: 12.0}, {0: 13.5, 1: 14.5, 2: 15.5})
    assert same.sd == 0 and not same.is_real and stats.word(same) == "cannot tell yet"
    assert "the same each time" in stats.verdict(same)
    assert stats.verdict(same).endswith("cannot tell yet; run 6 seeds in all (80 % power) and decide then.")
    five = stats.difference(by_seed([10.0] * 5), by_seed([13.5] * 5))
    assert five.is_real and five.p == 0
    none = stats.difference({0: 0.5, 1: 0.6}, {0: 0.5, 1: 0.6})
    assert none.p == 1 and not none.is_real and "100 seeds would not show so small a difference" in stats.verdict(none)
    unpaired = stats.difference({0: 0.5, 1: 0.5}, {7: 0.5, 8: 0.5})
    assert unpaired.p == 1 and not unpaired.is_real


def test_the_last_digits_of_the_machine_are_no_difference():
    a, b = (20 / 40 - 2 / 40) * 100, (22 / 40 - 4 / 40) * 100
    assert a != b
    told = stats.difference({0: a, 1: b}, {0: b, 1: b})
    assert (told.mean, told.sd, told.is_real) == (0, 0, False)
    effects = stats.effects(stats.design(["a", "b"]) * 2, [0] * 4 + [1] * 4, [a, b] * 4)
    assert all(effect.low is None and effect.p is None for effect in effects)


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_cover_what_is_true_in_95_of_100_experiments(paired):
    """5 seeds, a true difference of 3 points; the seeds matter as much as chance does."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(EXPERIMENTS):
        seeds = rng.normal(0.6, 0.02, (2, 5))
        a = seeds[0] + rng.normal(0, 0.02, 5)
        b = seeds[0 if paired else 1] + 0.03 + rng.normal(0, 0.02, 5)
        told = stats.difference(by_seed(a), by_seed(b, 0 if paired else 100))
        covered += told.low <= 0.03 <= told.high
    assert 0.93 <= covered / EXPERIMENTS <= 0.97


# ---- factorials --------------------------------------------------------------------------------------------------
def test_every_combination_once_or_an_even_half():
    full = stats.design(["a", "b", "c"])
    assert len(full) == len({tuple(arm.values()) for arm in full}) == 8
    half = stats.design(["a", "b", "c", "d", "e"])
    assert len(half) == 16 and dict.fromkeys("abcde", False) in half
    assert len(stats.design(list("abcde"), fraction=False)) == 32


@pytest.mark.parametrize("k", [5, 6, 7])
def test_half_of_the_combinations_keep_main_effects_and_pairs_apart(k):
    signs = np.array([[1 if on else -1 for on in arm.values()] for arm in stats.design([str(i) for i in range(k)])])
    terms = [signs[:, i] for i in range(k)] + [
        signs[:, i] * signs[:, j] for i, j in itertools.combinations(range(k), 2)
    ]
    for one, other in itertools.combinations(terms, 2):
        assert one @ other == 0 and one.sum() == 0


@pytest.mark.parametrize("names", [[], ["a", "a"], list("abcdefghijk")])
def test_a_factorial_of_nothing_or_too_much_is_refused(names):
    with pytest.raises(ConfigError, match="1 to 10 different"):
        stats.design(names)


def test_a_half_that_cannot_tell_pairs_apart_is_refused():
    with pytest.raises(ConfigError, match="cannot tell pairs apart"):
        stats.design(["a", "b", "c"], fraction=True)


def runs_of(
    names: list[str], n_seeds: int, noise: float = 0.01
) -> tuple[list[dict[str, bool]], list[int], list[float]]:
    """a buys 4 points, b costs 2, and together they do 3 more than their sum says."""
    rng = np.random.default_rng(3)
    arms, seeds, values = [], [], []
    for seed in range(n_seeds):
        luck = rng.normal(0, 0.05)
        for arm in stats.design(names):
            a, b = (1 if arm[name] else -1 for name in names[:2])
            arms.append(arm)
            seeds.append(seed)
            values.append(0.6 + luck + 0.02 * a - 0.01 * b + 0.015 * a * b + rng.normal(0, noise))
    return arms, seeds, values


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"]])
def test_effects_are_those_of_statsmodels(names):
    from statsmodels import api
    from statsmodels.stats.multitest import multipletests

    arms, seeds, values = runs_of(names, 3)
    pairs = list(itertools.combinations(names, 2))
    x = np.array(
        [
            [1 if arm[name] else -1 for name in names]
            + [(1 if arm[i] else -1) * (1 if arm[j] else -1) for i, j in pairs]
            + [seed == s for s in range(3)]
            for arm, seed in zip(arms, seeds, strict=True)
        ],
        dtype=float,
    )
    theirs = api.OLS(np.array(values), x).fit()
    told = stats.effects(arms, seeds, values)
    n = len(told)
    assert [effect.names for effect in told] == [(name,) for name in names] + pairs
    for effect, b, error in zip(told, theirs.params, theirs.bse, strict=False):
        assert (effect.mean, effect.error, effect.df) == pytest.approx((2 * b, 2 * error, theirs.df_resid), abs=1e-9)
    assert [effect.p for effect in told] == pytest.approx(multipletests(theirs.pvalues[:n], method="holm")[1], abs=1e-9)
    for effect in told:  # the interval says the same as the p
        assert (effect.low > 0 or effect.high < 0) == (effect.p <= 0.05)
        assert effect.high - effect.low >= 2 * scipy_stats.t.ppf(0.975, effect.df) * effect.error - 1e-12


def test_effects_say_what_was_put_in():
    told = {effect.names: effect for effect in stats.effects(*runs_of(["a", "b", "c"], 4, noise=0.001))}
    assert told["a",].mean == pytest.approx(0.04, abs=0.002) and told["b",].mean == pytest.approx(-0.02, abs=0.002)
    assert told["a", "b"].mean == pytest.approx(0.03, abs=0.002) and told["a", "b"].low > 0
    assert told["c",].low < 0 < told["c",].high


def test_one_seed_gives_effects_without_intervals_when_nothing_is_left_over():
    told = stats.effects(*runs_of(["a", "b"], 1))
    assert all(effect.low is None and effect.n == 4 for effect in told)


def test_missing_combinations_are_asked_for():
    arms, seeds, values = runs_of(["a", "b"], 2)
    keep = [i for i, arm in enumerate(arms) if not (arm["a"] and arm["b"])]
    with pytest.raises(ConfigError, match="cannot tell 3 effects apart: run the missing combinations of a, b"):
        stats.effects([arms[i] for i in keep], [seeds[i] for i in keep], [values[i] for i in keep])


def test_effects_are_covered_too():
    """In 2,000 experiments; of the three effects b and the pair are nothing, and are seldom called something."""
    rng = np.random.default_rng(1)
    arms = stats.design(["a", "b"]) * 3
    seeds = [seed for seed in range(3) for _ in range(4)]
    a = np.array([0.02 if arm["a"] else -0.02 for arm in arms])
    covered = wrong = 0
    for _ in range(EXPERIMENTS):
        luck = rng.normal(0, 0.05, 3)[seeds]
        effect, *nothing = stats.effects(arms, seeds, list(0.6 + luck + a + rng.normal(0, 0.02, 12)))
        covered += effect.low <= 0.04 <= effect.high
        wrong += any(each.p <= 0.05 for each in nothing)
    assert covered / EXPERIMENTS >= 0.94  # Holm's are 95 % at least
    assert wrong / EXPERIMENTS <= 0.06
