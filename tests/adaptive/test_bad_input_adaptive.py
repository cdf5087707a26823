"""What does not belong into the adaptive wing is refused by name: one error of acopt, and no warning."""

from __future__ import annotations

import datetime as dt

import fuzzed_adaptive as valid
import fuzzed_calls
import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.adaptive.prices import Drawn

SPAN = np.timedelta64(5, "m")  # NumPy counts it among its integers
HUGE = [10**9, 2**62, 2**63, 10**400 + 1]


class OwnPrices:
    """A price model of someone else's."""

    def __init__(self, **given):
        self.given = given

    def draw(self, setting, n_paths, rng, scale=None):
        none = np.zeros((n_paths, *setting.shape))
        return Drawn(**{"changes": none, "signal": none, **self.given})

    def expected(self, setting, interval, prices, signal):
        return np.zeros((len(signal), setting.shape[0] - interval, setting.shape[1]))


def twap(market, n_paths=3, seed=0, **options):
    return ac.simulate(ac.StaticPolicy("twap"), valid.basket(), market, n_paths, seed, **options)


@pytest.mark.parametrize("given", [*HUGE, SPAN, True, 3.0, "3", None, 0, -1])
def test_a_number_of_days_is_refused_by_its_size(given):
    with pytest.raises(ac.DataError, match=r"simulate n_paths="):
        twap(valid.market(), given)


@pytest.mark.parametrize("given", [SPAN, True, 1.0, -1, "x"])
def test_seeds_are_whole_numbers(given):
    with pytest.raises(ac.DataError, match=r"simulate seed="):
        twap(valid.market(), seed=given)
    with pytest.raises(ac.DataError, match=r"QLearning seed="):
        ac.QLearning(valid.task(), given)
    with pytest.raises(ac.DataError, match=r"AdaptiveVWAP seed="):
        ac.AdaptiveVWAP(ac.StochasticVolume(), seed=given)


@pytest.mark.parametrize("given", [*HUGE, SPAN, True, 0, 2.0])
def test_a_number_of_environments_is_refused_by_its_size(given):
    with pytest.raises(ac.DataError, match=r"num_envs=|more than memory holds"):
        ac.ExecutionVectorEnv(valid.single(), 100.0, given)


def test_a_lot_with_more_actions_than_memory_holds_is_refused():
    with pytest.raises(ac.DataError, match=r"400,000,001 actions, are more than memory holds"):
        ac.ExecutionEnv(valid.single(), 1e-6)


@pytest.mark.parametrize("given", [SPAN, True, -1, 1.0, "x", dt.date(2019, 2, 15)])
def test_seeds_of_environments_are_refused_by_name(given):
    with pytest.raises(ac.DataError, match=r"ExecutionEnv seed=.*: None or a whole number >= 0"):
        ac.ExecutionEnv(valid.single(), 100.0).reset(seed=given)
    many = ac.ExecutionVectorEnv(valid.single(), 100.0, 2)
    for seeds in (given, [1, given]):
        with pytest.raises(ac.DataError, match=r"ExecutionVectorEnv seed=.*: None or a whole number >= 0"):
            many.reset(seed=seeds)


@pytest.mark.parametrize("seeds", [np.array([4, 5]), (4, 5), [np.int64(4), 5], 4])
def test_seeds_of_environments_by_list_or_one_for_all(seeds):
    many = ac.ExecutionVectorEnv(valid.single(), 100.0, 2, prices=ac.RevertingDrift(2.0, 0.1))
    many.reset(seed=seeds)
    changes = many._drawn.changes
    again = ac.ExecutionVectorEnv(valid.single(), 100.0, 2, prices=ac.RevertingDrift(2.0, 0.1))
    again.reset(seed=[4, 5])
    np.testing.assert_array_equal(changes, again._drawn.changes)


@pytest.mark.parametrize("given", [*HUGE, SPAN])
def test_a_batch_of_episodes_is_refused_by_its_size(given):
    with pytest.raises(ac.DataError, match=r"QLearning batch="):
        ac.QLearning(valid.task(), batch=given)


def test_a_batch_that_fits_is_learned_from():
    assert ac.QLearning(valid.task(), batch=20_000).train(20_000).episodes == 20_000


@pytest.mark.parametrize("given", [1, None, "yes", pd.Series([1.0, 2.0])])
def test_yes_or_no(given):
    with pytest.raises(ac.DataError, match=r"QLearning double=.*: True or False is expected"):
        ac.QLearning(valid.task(), double=given)
    with pytest.raises(ac.DataError, match=r"progress=.*: True or False is expected"):
        twap(valid.market(), progress=given)


@pytest.mark.parametrize("given", [*(n + 1 - n % 2 for n in HUGE), 4, 1, SPAN])
def test_a_number_of_price_states_is_refused_by_its_size(given):
    with pytest.raises(ac.DataError, match=r"nodes=|GB, memory_gb="):
        ac.dynamic_program(valid.single(), 50.0, prices=ac.RevertingDrift(2.0, 0.1), nodes=given)


@pytest.mark.parametrize("given", [1e-308, 1e-60, 1e-12])
def test_a_lot_too_small_for_a_table_is_refused_by_its_size(given):
    with pytest.raises(ac.DataError, match=r"dynamic_program lot"):
        ac.dynamic_program(valid.single(), given)


@pytest.mark.parametrize("name", ["interval", "day", "correlation"])
@pytest.mark.parametrize("given", ["0.5", np.array(0.5), np.float32(0.5)])
def test_what_is_a_number_counts_as_one(name, given):
    plain, other = (twap(valid.busy(volatility=ac.StochasticVolatility(**{name: value}))) for value in (0.5, given))
    np.testing.assert_array_equal(plain.slippage(), other.slippage())


@pytest.mark.parametrize("name", ["interval", "day"])
@pytest.mark.parametrize("given", [11.0, 1e9, 1e308])
def test_factors_no_wider_than_doubles_can_hold(name, given):
    with pytest.raises(ac.DataError, match=rf"StochasticVolatility {name}="):
        ac.StochasticVolatility(**{name: given})
    model = ac.StochasticVolume(**{name: given})
    for use in (
        lambda: twap(valid.busy(volume=model)),
        lambda: valid.ran(ac.AdaptiveVWAP(model)),
        lambda: ac.expected_volume_curve(model, valid.basket(), valid.market()),
        lambda: ac.VolumeForecast(model)(valid.state()),
    ):
        with pytest.raises(ac.DataError, match=rf"StochasticVolume {name}"):
            use()


@pytest.mark.parametrize("name", ["interval", "day"])
def test_the_widest_factors_are_drawn_without_a_warning(name):
    model = ac.StochasticVolume(**{"interval": 0.0, "day": 0.0, name: 10.0})
    assert np.isfinite(ac.VolumeForecast(model)(valid.state())).all()
    assert np.isfinite(ac.expected_volume_curve(model, valid.basket(), valid.market()).to_numpy()).all()


@pytest.mark.parametrize("given", ["0.3", SPAN, 1.0, None, [0.3]])
def test_a_serial_correlation_is_a_number(given):
    with pytest.raises(ac.DataError, match=r"SerialCorrelation coefficient="):
        ac.SerialCorrelation(given)


@pytest.mark.parametrize("model", [ac.OrnsteinUhlenbeck, ac.RevertingDrift])
@pytest.mark.parametrize("given", [0, -1.0, np.nan, 10**400, SPAN])
def test_rates_are_positive(model, given):
    with pytest.raises(ac.DataError, match=rf"{model.__name__} rate"):
        valid.as_model(model(given))


@pytest.mark.parametrize("given", [{"A": 1.0}, "x", 1j, np.ones((3, 4, 1), complex), pd.NaT, 10**400])
def test_volumes_ahead_are_numbers(given):
    with pytest.raises(ac.DataError, match=r"what volumes= returned: .* is not a number"):
        valid.as_single(ac.RecedingHorizon(valid.single(), volumes=lambda state: given))


@pytest.mark.parametrize("given", [np.zeros((3, 3), complex), {"A": 1.0}, 10**400, "x", pd.NaT])
def test_decisions_are_numbers(given):
    with pytest.raises(ac.ModelError, match=r"policy fixed, interval 0\.0: it decides .*, which are no numbers"):
        valid.decided(given, "fixed")


@pytest.mark.parametrize("part", ["changes", "signal", "volumes"])
@pytest.mark.parametrize(
    "given", ["x", 1.0, [], np.zeros((3, 4, 3)), np.full((128, 4, 3), np.inf), pd.DataFrame(), 1j, (None, None)]
)
def test_price_models_of_ones_own_fail_by_their_name(part, given):
    model = OwnPrices(**{part: given})
    with pytest.raises(ac.DataError, match=rf"OwnPrices object .*{part}"):
        twap(valid.busy(prices=model, volatility=None))
    with pytest.raises(ac.DataError, match=rf"OwnPrices object .*{part}"):
        ac.ExecutionEnv(valid.single(), 100.0, prices=model)


@pytest.mark.parametrize("given", [1e202, np.inf, 0.0, -1.0, np.nan])
def test_recorded_prices_are_of_a_size(given):
    with pytest.raises(ac.DataError, match=r"RecordedPrices prices: at least two rows of positive numbers"):
        ac.RecordedPrices(np.full((5, 3), given))


def test_recorded_volumes_are_of_a_size():
    with pytest.raises(ac.DataError, match=r"RecordedPrices volumes: numbers >= 0"):
        ac.RecordedPrices(np.ones((5, 3)), np.full((4, 3), 1e202))
    tiny = ac.RecordedPrices(np.ones((5, 3)), np.full((4, 3), 1e-202))
    with pytest.raises(ac.DataError, match=r"draw: volumes has 1e-202"):
        twap(ac.SimulatedMarket(valid.market(), prices=tiny), 1)


def test_price_changes_are_of_a_size():
    class Wild(OwnPrices):
        def draw(self, setting, n_paths, rng, scale=None):
            far = np.full((n_paths, *setting.shape), 1e202)
            return Drawn(far, np.zeros_like(far))

    with pytest.raises(ac.DataError, match=r"draw: changes has 1e\+202; finite numbers are expected"):
        twap(valid.busy(prices=Wild()))


@pytest.mark.parametrize("cell", [[1.0], pd.NaT, 10**400, "x"])
def test_recorded_tables_hold_numbers(cell):
    cells = np.full((5, 3), 100.0, dtype=object)
    cells[2, 1] = cell
    table = pd.DataFrame(cells, columns=list("ABC"))
    with pytest.raises(ac.DataError, match=r"RecordedPrices prices: .*is not a number"):
        ac.RecordedPrices(table)


@pytest.mark.parametrize("given", [np.inf, None, np.array(2.0), [], "x", [3]])
def test_recorded_days_need_grids(given):
    with pytest.raises(ac.DataError, match=r"RecordedPrices.from_bars grid"):
        ac.RecordedPrices.from_bars(fuzzed_calls.bars(), given)


@pytest.mark.parametrize("part", ["trade", "holding", "terminal"])
@pytest.mark.parametrize("given", [1.0, "x", [], valid.series()])
def test_parts_of_a_cost_are_functions(part, given):
    with pytest.raises(ac.DataError, match=rf"StageCost {part}: .*a function or None is expected"):
        ac.StageCost(**{part: given})


@pytest.mark.parametrize("given", [1, None, "yes", np.ones(3)])
def test_joint_is_yes_or_no(given):
    with pytest.raises(ac.DataError, match=r"StageCost joint=.*: True or False is expected"):
        ac.StageCost(joint=given)


@pytest.mark.parametrize("part", ["trade", "holding", "terminal"])
@pytest.mark.parametrize("given", [np.ones(3), np.nan, "x", None, 1j, {"A": 1.0}, [[1.0], 2.0]])
def test_parts_of_a_cost_return_numbers_of_the_right_shape(part, given):
    parts = {"trade": 0.0, "holding": 0.0, "terminal": 0.0, part: given}
    with pytest.raises(ac.DataError, match=rf"StageCost {part}: .* (is expected|are expected|is not a number)"):
        valid.split_by(**parts, joint=False)


def test_a_moment_that_no_calendar_has():
    bars, grid = fuzzed_calls.bars(), fuzzed_calls.traded().market.grid
    for read in (ac.volume_from_bars, ac.Market.from_bars):
        with pytest.raises(ac.DataError, match=r"asof=.*is no time of America/New_York"):
            read(bars, grid, asof=dt.datetime.max)
        with pytest.raises(ac.DataError, match=r"history="):
            read(bars, grid, history=SPAN)


def test_a_time_zone_and_a_fill_that_no_calendar_has(tmp_path):
    with pytest.raises(ac.DataError, match=r"does not fit: Python int too large"):
        ac.read_bars(fuzzed_calls.rows(), tz=10**400)
    path = tmp_path / "fills.csv"
    path.write_text("time,symbol,side,quantity,price\n9999-12-31 23:30,ALFA,sell,1000,212.1\n", encoding="utf-8")
    with pytest.raises(ac.DataError, match=r"9999-12-31 23:30"):
        fuzzed_calls.day().reoptimize(at="11:30", executed=path)


def test_a_missing_label_is_no_label():
    bars, grid = fuzzed_calls.bars(), fuzzed_calls.traded().market.grid
    labels = pd.Series([1, 2, None], dtype="Int64")
    for read in (ac.volume_from_bars, ac.Market.from_bars):
        with pytest.raises(ac.DataError, match=r"<NA> is no label"):
            read(bars, grid, assets=labels)


def test_labels_of_several_levels_do_not_fit_plain_ones():
    names = pd.MultiIndex.from_product([["A"], range(3)])
    with pytest.raises(ac.DataError, match=r"covariance: no value for asset \('A', 0\)"):
        ac.Covariance(valid.calls.sigma().set_axis(names, axis=1))
