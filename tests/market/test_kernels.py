"""Decay kernels: their formulas, their units, and what they refuse."""

import numpy as np
import pandas as pd
import pytest

import acopt as ac
from acopt.market.kernels import ExponentialDecay, LinearDecay, PowerLawDecay

SESSION = ac.TimeGrid.session("2019-02-15", "30min")
TIMES = np.array([0.0, 0.1, 0.5, 1.0, 3.0])


class TestFormulas:
    def test_half_of_it_is_left_after_a_half_life(self):
        np.testing.assert_allclose(ExponentialDecay(half_life=0.5)(TIMES), 2.0 ** (-TIMES / 0.5), rtol=1e-15)

    def test_a_rate_is_the_same_law(self):
        np.testing.assert_allclose(
            ExponentialDecay(rate=np.log(2.0) / 0.5)(TIMES), ExponentialDecay(half_life=0.5)(TIMES), rtol=1e-14
        )

    def test_power_law(self):
        np.testing.assert_allclose(PowerLawDecay(0.4, 0.5)(TIMES), [(1 + t / 0.5) ** -0.4 for t in TIMES], rtol=1e-15)
        assert PowerLawDecay(2.0, 0.5)(np.array(0.5)) == 0.25

    def test_linear(self):
        np.testing.assert_allclose(LinearDecay(0.8)(TIMES), [1.0, 0.92, 0.6, 0.2, 0.0], rtol=1e-15)

    @pytest.mark.parametrize("kernel", [ExponentialDecay(rate=0.0), LinearDecay(0.0)], ids=["exponential", "linear"])
    def test_no_decay(self, kernel):
        np.testing.assert_array_equal(kernel(TIMES), 1.0)

    @pytest.mark.parametrize("kernel", [ExponentialDecay(half_life=0.3), PowerLawDecay(0.4, 0.2), LinearDecay(0.7)])
    def test_one_at_once_then_decreasing_and_convex(self, kernel):
        values = kernel(np.linspace(0.0, 2.0, 41))
        assert values[0] == 1.0
        assert (np.diff(values) <= 0).all()
        assert (np.diff(values, 2) >= -1e-15).all()


class TestUnits:
    @pytest.mark.parametrize("half_life", ["39min", pd.Timedelta("39min"), np.timedelta64(39, "m"), 0.1])
    def test_a_half_life_is_read_on_the_grid(self, half_life):
        """39 minutes are a tenth of a session, which is 1."""
        kernel = ExponentialDecay(half_life=half_life).on(SESSION)
        assert kernel.half_life == pytest.approx(0.1, rel=1e-14)
        assert kernel(np.array([0.1]))[0] == pytest.approx(0.5, rel=1e-14)

    def test_a_scale_is_read_on_the_grid(self):
        kernel = PowerLawDecay(0.5, "39min").on(SESSION)
        assert (kernel.exponent, kernel.scale) == (0.5, pytest.approx(0.1, rel=1e-14))

    def test_numbers_stay(self):
        for kernel in (ExponentialDecay(rate=2.0), ExponentialDecay(half_life=0.25), LinearDecay(1.0)):
            assert kernel.on(SESSION) == kernel

    def test_text_needs_a_grid(self):
        with pytest.raises(ac.DataError, match=r"half_life '30min' needs a grid to be read on: kernel\.on\(grid\)"):
            ExponentialDecay(half_life="30min")(TIMES)
        with pytest.raises(ac.DataError, match="scale '5min' needs a grid"):
            PowerLawDecay(0.5, "5min")(TIMES)

    @pytest.mark.parametrize(
        "kernel", [ExponentialDecay(half_life="soon"), PowerLawDecay(1.0, "5 parsecs")], ids=["half-life", "scale"]
    )
    def test_text_that_is_no_time(self, kernel):
        with pytest.raises(ac.DataError, match="is not a length of time"):
            kernel.on(SESSION)

    @pytest.mark.parametrize("kernel", [ExponentialDecay(half_life="0min"), PowerLawDecay(1.0, "0s")])
    def test_no_time_at_all(self, kernel):
        with pytest.raises(ac.DataError, match="a time > 0 is expected"):
            kernel.on(SESSION)


class TestRefusals:
    @pytest.mark.parametrize("given", [{}, {"half_life": 1.0, "rate": 1.0}])
    def test_one_of_two(self, given):
        with pytest.raises(ac.DataError, match="give either half_life="):
            ExponentialDecay(**given)

    @pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf, "fast", True, None])
    def test_rates(self, wrong):
        with pytest.raises(ac.DataError, match="rate="):
            ExponentialDecay(rate=wrong)
        with pytest.raises(ac.DataError, match=r"LinearDecay rate=.*a number >= 0 is expected"):
            LinearDecay(wrong)

    @pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, True, [1.0]])
    def test_lengths(self, wrong):
        with pytest.raises(ac.DataError, match=r"half_life=.*a number > 0 is expected"):
            ExponentialDecay(half_life=wrong)
        with pytest.raises(ac.DataError, match=r"scale=.*a number > 0 is expected"):
            PowerLawDecay(1.0, wrong)
        with pytest.raises(ac.DataError, match=r"exponent=.*a number > 0 is expected"):
            PowerLawDecay(wrong, 1.0)

    def test_kernels_are_values(self):
        assert ExponentialDecay(half_life="30min") == ExponentialDecay(half_life="30min")
        assert len({LinearDecay(1.0), LinearDecay(1.0), PowerLawDecay(1.0, 2.0)}) == 2
        with pytest.raises(AttributeError):
            LinearDecay(1.0).rate = 2.0
