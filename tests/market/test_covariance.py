"""Covariances: full, factor, scaled, per interval; labels, units, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import acopt as ac
from acopt.errors import DataError
from acopt.market.covariance import as_covariance

TIGHT = {"rtol": 1e-12, "atol": 0.0}  # equal up to rounding
ROOT = {"rtol": 1e-9, "atol": 1e-12}  # through an eigendecomposition

GRID = ac.TimeGrid([0.0, 0.2, 0.5, 1.0])
ASSETS = pd.Index(["A", "B", "C"])
SIGMA = np.array([[4.0, 1.0, 0.5], [1.0, 9.0, -0.3], [0.5, -0.3, 1.0]])
TABLE = pd.DataFrame(SIGMA, index=ASSETS, columns=ASSETS)
LOADINGS = pd.DataFrame([[1.0, 0.2], [2.0, -0.1], [0.5, 0.0]], index=ASSETS, columns=["market", "size"])
FACTOR = pd.DataFrame([[0.5, 0.1], [0.1, 0.3]], index=LOADINGS.columns, columns=LOADINGS.columns)
SPECIFIC = pd.Series([0.4, 0.7, 0.1], index=ASSETS)
SCALE = pd.DataFrame([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0], [1.5, 1.0, 1.0]], index=GRID.labels, columns=ASSETS)


def dense(model, n=3):
    """Return Sigma_k, column by column, from what `apply` does to unit vectors."""
    out = np.empty((model.scale.shape[0], n, n))
    for j in range(n):
        unit = np.zeros((model.scale.shape[0], n))
        unit[:, j] = 1.0
        out[:, :, j] = model.apply(unit)
    return out


def from_roots(model):
    """Return Sigma_k = diag(s) (R R' + diag(d)^2) diag(s) for every interval."""
    n = model.scale.shape[0]
    roots = np.broadcast_to(model.root, (n, *model.root.shape[-2:]))
    own = np.diag(model.specific**2)
    return np.array([np.diag(s) @ (r @ r.T + own) @ np.diag(s) for s, r in zip(model.scale, roots, strict=True)])


def agree(model, expected):
    expected = np.broadcast_to(expected, (3, *np.shape(expected)[-2:]))
    n = expected.shape[-1]
    np.testing.assert_allclose(dense(model, n), expected, **TIGHT)
    np.testing.assert_allclose(from_roots(model), expected, **ROOT)


class TestFull:
    def test_constant(self):
        agree(ac.Covariance(TABLE).on(GRID, ASSETS), SIGMA)
        agree(ac.Covariance(SIGMA).on(GRID, ASSETS), SIGMA)
        agree(as_covariance(SIGMA.tolist()).on(GRID, ASSETS), SIGMA)

    def test_labels_in_any_order_and_a_subset(self):
        pick = pd.Index(["C", "A"])
        agree(ac.Covariance(TABLE.iloc[[2, 0, 1], [1, 2, 0]]).on(GRID, pick), [[1.0, 0.5], [0.5, 4.0]])

    def test_scalar_variance_of_one_asset(self):
        agree(ac.Covariance(4.0).on(GRID, ASSETS[:1]), [[4.0]])

    @pytest.mark.parametrize("scale", [SCALE, SCALE.to_numpy(), SCALE.iloc[[2, 0, 1], [1, 0, 2]]])
    def test_scaled(self, scale):
        expected = [np.diag(s) @ SIGMA @ np.diag(s) for s in SCALE.to_numpy()]
        agree(ac.Covariance(TABLE, scale=scale).on(GRID, ASSETS), expected)

    def test_scaled_by_interval_or_by_asset(self):
        by_time = pd.Series([1.0, 2.0, 0.5], index=GRID.labels)
        agree(ac.Covariance(TABLE, scale=by_time).on(GRID, ASSETS), [v**2 * SIGMA for v in by_time])
        s = np.diag([1.0, 2.0, 0.5])
        agree(ac.Covariance(TABLE, scale={"A": 1.0, "C": 0.5, "B": 2.0}).on(GRID, ASSETS), s @ SIGMA @ s)
        agree(ac.Covariance(SIGMA, scale=2.0).on(GRID, ASSETS), 4.0 * SIGMA)

    def test_matrix_per_interval(self):
        stack = np.array([SIGMA, 2.0 * SIGMA, np.diag([1.0, 0.0, 3.0])])
        agree(ac.Covariance(stack).on(GRID, ASSETS), stack)
        doubled = ac.Covariance(stack, scale=2.0).on(GRID, ASSETS)
        agree(doubled, 4.0 * stack)

    def test_semidefinite_is_enough(self):
        rank_one = np.outer([1.0, -2.0, 0.0], [1.0, -2.0, 0.0])
        agree(ac.Covariance(rank_one).on(GRID, ASSETS), rank_one)
        agree(ac.Covariance(np.zeros((3, 3))).on(GRID, ASSETS), np.zeros((3, 3)))

    @given(st.integers(0, 10_000), st.integers(1, 6))
    @settings(max_examples=40, deadline=None)
    def test_any_gram_matrix_keeps_its_quadratic_form(self, seed, rank):
        rng = np.random.default_rng(seed)
        size = 10.0 ** rng.uniform(-6, 6, 3)
        half = size[:, None] * rng.normal(size=(3, rank))
        sigma, x = half @ half.T, rng.normal(size=(3, 3)) / size
        model = ac.Covariance(sigma).on(GRID, ASSETS)
        expected = [np.sum((half.T @ row) ** 2) for row in x]
        np.testing.assert_allclose(np.sum(x * model.apply(x), axis=1), expected, rtol=1e-8)
        np.testing.assert_allclose(np.sum((x @ model.root) ** 2, axis=1), expected, rtol=1e-8)


class TestRefusals:
    def test_asymmetric_names_the_pair(self):
        bent = TABLE.copy()
        bent.loc["A", "C"] = 0.9
        for make in (lambda: ac.Covariance(bent), lambda: ac.Covariance(bent.to_numpy()).on(GRID, ASSETS)):
            with pytest.raises(DataError, match=r"covariance is not symmetric: \[A, C\] is 0.9, \[C, A\] is 0.5"):
                make()

    @pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
    def test_indefinite_names_the_eigenvalue_at_any_size(self, size):
        # Correlation 1.5 between the first two: eigenvalues 1 +- 1.5 and 1.
        broken = size * np.array([[4.0, 9.0, 0.0], [9.0, 9.0, 0.0], [0.0, 0.0, 1.0]])
        for make in (
            lambda: ac.Covariance(pd.DataFrame(broken, index=ASSETS, columns=ASSETS)),
            lambda: ac.Covariance(broken).on(GRID, ASSETS),
        ):
            with pytest.raises(DataError, match=r"covariance is not positive semidefinite.*eigenvalue is -0.5;"):
                make()

    def test_indefinite_in_one_interval(self):
        stack = np.array([SIGMA, -SIGMA, SIGMA])
        with pytest.raises(DataError, match="covariance of interval 1 is not positive semidefinite"):
            ac.Covariance(stack).on(GRID, ASSETS)

    def test_negative_variance(self):
        with pytest.raises(DataError, match="not positive semidefinite"):
            ac.Covariance(-1.0).on(GRID, ASSETS[:1])

    @pytest.mark.parametrize(
        ("matrix", "words"),
        [
            (TABLE.iloc[:2, :2], "covariance: no value for asset C"),
            (SIGMA[:2, :2], r"covariance: an array of shape \(2, 2\) was given, \(3, 3\)"),
            (4.0, r"covariance: an array of shape \(\) was given, \(3, 3\)"),
            (np.array([SIGMA] * 2), "covariance: 2 matrices were given for 3 intervals"),
            (np.where(SIGMA == 9.0, np.nan, SIGMA), "covariance is nan for B at B"),
            ("high", "covariance: 'high' is not a number"),
        ],
    )
    def test_what_does_not_fit(self, matrix, words):
        with pytest.raises(DataError, match=words):
            ac.Covariance(matrix).on(GRID, ASSETS)

    def test_negative_scale_names_the_cell(self):
        bad = SCALE.copy()
        bad.loc[0.2, "B"] = -1.0
        with pytest.raises(DataError, match=r"covariance scale is -1 for B at 0.2"):
            ac.Covariance(TABLE, scale=bad).on(GRID, ASSETS)

    @pytest.mark.parametrize("volatility", [{"A": 1.0, "B": -2.0}, pd.Series({"A": 1.0, "B": -2.0})])
    def test_negative_volatility_names_the_asset(self, volatility):
        with pytest.raises(DataError, match="volatility is -2 for B"):
            ac.Covariance.diagonal(volatility)
        with pytest.raises(DataError, match="volatility is nan"):
            ac.Covariance.diagonal(np.nan)


class TestUnits:
    def test_diagonal(self):
        agree(ac.Covariance.diagonal({"B": 3.0, "A": 2.0, "C": 1.0}).on(GRID, ASSETS), np.diag([4.0, 9.0, 1.0]))
        agree(ac.Covariance.diagonal([2.0, 3.0, 1.0]).on(GRID, ASSETS), np.diag([4.0, 9.0, 1.0]))
        agree(ac.Covariance.diagonal(2.0).on(GRID, ASSETS[:1]), [[4.0]])

    def test_one_volatility_for_several_assets_is_refused(self):
        with pytest.raises(DataError, match=r"covariance: an array of shape \(1, 1\) was given"):
            ac.Covariance.diagonal(2.0).on(GRID, ASSETS)

    @pytest.mark.parametrize(("per", "days"), [("day", 1), ("month", 21), ("year", 252), (5, 5), (0.5, 0.5)])
    def test_returns_become_price_changes_per_day(self, per, days):
        price = pd.Series({"C": 50.0, "A": 10.0, "B": 20.0, "unused": 1.0})
        found = ac.Covariance.from_returns(TABLE / 1e4, price, per=per).on(GRID, ASSETS)
        expected = [[price[i] * price[j] * TABLE.loc[i, j] / 1e4 / days for j in ASSETS] for i in ASSETS]
        agree(found, expected)
        plain = ac.Covariance.from_returns(SIGMA / 1e4, [10.0, 20.0, 50.0], per=per).on(GRID, ASSETS)
        agree(plain, expected)

    def test_an_annual_volatility_of_one_stock(self):
        """30% a year on a 50-dollar stock is 50 * 0.3 / sqrt(252) dollars a day."""
        found = ac.Covariance.from_returns(0.3**2, 50.0, per="year").on(GRID, ASSETS[:1])
        np.testing.assert_allclose(np.sqrt(dense(found, 1)[0, 0, 0]), 50.0 * 0.3 / np.sqrt(252.0), **TIGHT)

    @pytest.mark.parametrize("per", ["week", 0, -1, np.nan])
    def test_unknown_period(self, per):
        with pytest.raises(DataError, match=r"per=.*(accepted are|is expected)|a number of days > 0"):
            ac.Covariance.from_returns(TABLE, {"A": 1.0, "B": 1.0, "C": 1.0}, per=per)

    def test_prices_are_checked(self):
        with pytest.raises(DataError, match="price is 0 for B"):
            ac.Covariance.from_returns(TABLE, {"A": 1.0, "B": 0.0, "C": 1.0})
        with pytest.raises(DataError, match="price: no value for asset C"):
            ac.Covariance.from_returns(TABLE, {"A": 1.0, "B": 1.0})


class TestFactorModel:
    whole = LOADINGS.to_numpy() @ FACTOR.to_numpy() @ LOADINGS.to_numpy().T + np.diag(SPECIFIC)

    def test_is_a_covariance(self):
        agree(ac.FactorModel(LOADINGS, FACTOR, SPECIFIC).on(GRID, ASSETS), self.whole)
        plain = ac.FactorModel(LOADINGS.to_numpy(), FACTOR.to_numpy(), SPECIFIC.to_numpy())
        agree(plain.on(GRID, ASSETS), self.whole)

    def test_labels_in_any_order(self):
        pick = pd.Index(["C", "A"])
        expected = pd.DataFrame(self.whole, index=ASSETS, columns=ASSETS).loc[pick, pick]
        shuffled = ac.FactorModel(LOADINGS.iloc[[1, 2, 0], [1, 0]], FACTOR, SPECIFIC.iloc[[2, 0, 1]])
        agree(shuffled.on(GRID, pick), expected)
        turned = ac.FactorModel(LOADINGS, FACTOR.iloc[[1, 0], [1, 0]], SPECIFIC)
        agree(turned.on(GRID, pick), expected)

    def test_an_array_goes_by_the_rows_of_the_loadings(self):
        pick = pd.Index(["C", "A"])
        expected = pd.DataFrame(self.whole, index=ASSETS, columns=ASSETS).loc[pick, pick]
        agree(ac.FactorModel(LOADINGS, FACTOR, SPECIFIC.to_numpy()).on(GRID, pick), expected)
        s = np.diag([0.5, 1.0])
        scaled = ac.FactorModel(LOADINGS, FACTOR, SPECIFIC, scale=np.array([[1.0, 2.0, 0.5]] * 3))
        agree(scaled.on(GRID, pick), s @ expected.to_numpy() @ s)

    def test_scaled_and_per_interval(self):
        b, d = LOADINGS.to_numpy(), np.diag(SPECIFIC)
        stack = np.array([FACTOR, 2 * FACTOR, 0 * FACTOR])
        expected = [np.diag(s) @ (b @ f @ b.T + d) @ np.diag(s) for s, f in zip(SCALE.to_numpy(), stack, strict=True)]
        agree(ac.FactorModel(LOADINGS, stack, SPECIFIC, scale=SCALE).on(GRID, ASSETS), expected)

    def test_one_factor_by_scalars(self):
        one = ac.FactorModel(LOADINGS[["market"]], 0.25, SPECIFIC).on(GRID, ASSETS)
        agree(one, 0.25 * np.outer(LOADINGS["market"], LOADINGS["market"]) + np.diag(SPECIFIC))
        agree(ac.FactorModel(LOADINGS, FACTOR, 0.0).on(GRID, ASSETS), self.whole - np.diag(SPECIFIC))

    def test_returns_become_price_changes_per_day(self):
        price = pd.Series({"B": 20.0, "A": 10.0, "C": 50.0})
        for factor in (FACTOR, FACTOR.iloc[[1, 0], [1, 0]]):
            found = ac.FactorModel.from_returns(LOADINGS, factor, SPECIFIC.iloc[::-1], price, per="month")
            p = np.diag(price.loc[ASSETS])
            agree(found.on(GRID, ASSETS), p @ self.whole @ p / 21.0)

    @pytest.mark.parametrize(
        ("loadings", "factor", "specific", "words"),
        [
            (LOADINGS, -FACTOR, SPECIFIC, "factor covariance is not positive semidefinite"),
            (LOADINGS, [[1.0, 0.5], [0.0, 1.0]], SPECIFIC, r"factor covariance is not symmetric: \[market, size\]"),
            (LOADINGS, FACTOR.iloc[:1, :1], SPECIFIC, "factor covariance: no value for factor size"),
            (LOADINGS, np.eye(3), SPECIFIC, r"factor covariance: shape \(3, 3\) was given, \(2, 2\)"),
            (
                LOADINGS,
                np.full((2, 2), np.nan),
                SPECIFIC,
                "factor covariance is nan in a cell; finite numbers are expected",
            ),
            (LOADINGS, [FACTOR.to_numpy()] * 2, SPECIFIC, "factor covariance: 2 matrices were given for 3 intervals"),
            (LOADINGS.iloc[:2], FACTOR, SPECIFIC, "loadings: no row for asset C"),
            (LOADINGS.to_numpy()[:2], FACTOR, SPECIFIC, "loadings: 2 rows were given for 3 assets"),
            (LOADINGS.replace(2.0, np.nan), FACTOR, SPECIFIC, "loadings: nan for market at B"),
            (
                LOADINGS.astype(object).replace(2.0, "x"),
                FACTOR,
                SPECIFIC,
                "loadings: 'x' for market at B is not a number",
            ),
            (LOADINGS.rename(index={"C": "B"}), FACTOR, 0.0, "loadings: the asset 'B' appears twice"),
            (LOADINGS["market"], FACTOR, SPECIFIC, "loadings: an asset x factor table is expected"),
            (LOADINGS, FACTOR, -SPECIFIC, "specific variance is -0.4 for A"),
            (LOADINGS, FACTOR, SPECIFIC.iloc[:2], "specific variance: no value for asset C"),
            (LOADINGS, FACTOR, 0.5, "specific variance: the scalar 0.5 is in price units"),
            (LOADINGS.to_numpy(), FACTOR, 0.5, "specific variance: the scalar 0.5 is in price units"),
        ],
    )
    def test_refusals(self, loadings, factor, specific, words):
        with pytest.raises(DataError, match=words):
            ac.FactorModel(loadings, factor, specific).on(GRID, ASSETS)

    def test_numbers_of_any_dtype_are_numbers(self):
        loadings = pd.DataFrame({"m": [1.0, 1.1], "s": [0.5, -0.5]}, ["A", "B"])
        price, grid = pd.Series({"A": 10.0, "B": 20.0}), ac.TimeGrid.uniform(1.0, 2)
        made = [
            ac.FactorModel.from_returns(each, np.eye(2) * 1e-4, 1e-4, price).on(grid, price.index)
            for each in (loadings, loadings.astype("category"))
        ]
        x = np.ones((2, 2))
        np.testing.assert_array_equal(made[0].apply(x), made[1].apply(x))

    def test_from_returns_wants_labels(self):
        with pytest.raises(DataError, match="loadings must be a DataFrame"):
            ac.FactorModel.from_returns(LOADINGS.to_numpy(), FACTOR, SPECIFIC, 1.0)


class TestInAMarket:
    """A market restricted to some assets keeps the risk of just these."""

    price = pd.Series({"A": 1.0, "B": 2.0, "C": 3.0})

    @pytest.mark.parametrize(
        "covariance",
        [
            ac.Covariance(TABLE, scale=SCALE),
            ac.Covariance(SIGMA, scale=SCALE.to_numpy()),
            ac.Covariance(np.array([SIGMA, 2 * SIGMA, 3 * SIGMA])),
            ac.FactorModel(LOADINGS, FACTOR, SPECIFIC, scale=SCALE),
            ac.FactorModel(LOADINGS.to_numpy(), FACTOR.to_numpy(), SPECIFIC.to_numpy(), scale=SCALE.to_numpy()),
            ac.FactorModel(LOADINGS.iloc[::-1], FACTOR, SPECIFIC.to_numpy()[::-1], scale=SCALE.to_numpy()[:, ::-1]),
        ],
        ids=["labelled", "arrays", "per interval", "factors", "factor arrays", "arrays by own rows"],
    )
    def test_select(self, covariance):
        market = ac.Market(GRID, self.price, covariance=covariance)
        whole = dense(market.risk)
        for pick in (["C", "A"], ["B"], ["B", "A", "C"]):
            at = ASSETS.get_indexer(pick)
            small = market.select(pick)
            np.testing.assert_allclose(dense(small.risk, len(pick)), whole[:, at][:, :, at], **TIGHT)
            np.testing.assert_allclose(from_roots(small.risk), whole[:, at][:, :, at], **ROOT)
        twice = market.select(["C", "B"]).select(["B"])
        np.testing.assert_allclose(dense(twice.risk, 1), whole[:, 1:2, 1:2], **TIGHT)

    def test_scale_by_asset_array_on_a_grid_of_other_length(self):
        grid = ac.TimeGrid.uniform(1.0, 5)
        market = ac.Market(grid, self.price, covariance=ac.Covariance(SIGMA, scale=np.array([1.0, 2.0, 3.0])))
        np.testing.assert_allclose(dense(market.select(["C"]).risk, 1), np.full((5, 1, 1), 9.0), **TIGHT)

    def test_repr(self):
        assert repr(ac.Covariance(TABLE)) == "Covariance(3 x 3)"
        assert repr(ac.Covariance(4.0)) == "Covariance(one asset)"
        assert repr(ac.FactorModel(LOADINGS, FACTOR, SPECIFIC, scale=2.0)) == "FactorModel(3 assets, 2 factors, scaled)"
