"""The picture of a regret has the matrix's numbers, its best plan, and the rules that are broken."""

import numpy as np
import pytest
from builders import market, order

import acopt as ac
from acopt.interface.regret_plot import plot_regret
from acopt.market.what_if import what_if
from acopt.sweeps.regret import regret

COSTS = ac.TemporaryImpact() + ac.SpreadCost() + 2e-5 * ac.TimingRisk()


def found(rules="all"):
    base = market()
    asked = ac.ExecutionProblem(order("both sides"), base, COSTS, [ac.Participation(0.12)])
    return regret(asked, {"thin": what_if(base, volume=0.7), "wild": what_if(base, volatility=2.0)}, rules=rules)


def cells(axes):
    """Texts in the matrix by (row, column), the worst in the last column."""
    columns = sorted({round(text.get_position()[0], 6) for text in axes.texts if text.get_ha() == "center"})
    inside = [text for text in axes.texts if text.get_ha() == "center"]
    return {(round(t.get_position()[1]), columns.index(round(t.get_position()[0], 6))): t for t in inside}


def test_every_number_is_where_it_belongs():
    made = found()
    axes = plot_regret(made).axes[0]
    shown = cells(axes)
    assert len(shown) == 12
    values = np.column_stack([made.regret, made.worst])
    for place, text in shown.items():
        assert float(text.get_text()) == pytest.approx(values[place], rel=6e-3, abs=5e-4)
        assert text.get_text() != "-0"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["base", "thin", "wild", "worst"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["base", "thin", "wild"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("paid in", "planned in")


def test_the_darkest_cell_has_the_largest_regret_and_the_best_plan_is_bold():
    made = found()
    axes = plot_regret(made).axes[0]
    faces = np.array([patch.get_facecolor()[:3] for patch in axes.patches]).sum(axis=1)
    values = np.column_stack([made.regret, made.worst]).ravel()
    assert faces.argmin() in np.flatnonzero(values == values.max())
    assert (faces[values == 0] == faces.max()).all()
    bold = {row for (row, _), text in cells(axes).items() if text.get_fontweight() == "bold"}
    assert bold == {list(made.regret.index).index(made.best_plan)}


def test_a_cell_that_breaks_a_rule_is_hatched():
    made = found("own")
    axes = plot_regret(made).axes[0]
    hatched = {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in axes.patches if p.get_hatch()}
    assert hatched == {tuple(map(int, place)) for place in np.argwhere((made.rules_broken != "").to_numpy())}
    assert hatched
    assert any("hatched: breaks a rule" in text.get_text() for text in axes.texts)
    kept = plot_regret(found()).axes[0]
    assert not any(patch.get_hatch() for patch in kept.patches)
    assert not any("hatched" in text.get_text() for text in kept.texts)


def test_no_regret_at_all_is_all_zeros():
    base = market()
    asked = ac.ExecutionProblem(order("sell one"), base, COSTS)
    axes = plot_regret(regret(asked, {"same": what_if(base)})).axes[0]
    assert {text.get_text() for text in cells(axes).values()} == {"0"}


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_written(tmp_path, suffix):
    path = tmp_path / f"regret.{suffix}"
    figure = found().plot(path)
    assert path.stat().st_size > 4_000
    assert "regret: sell 2, buy 1 names" in figure.get_suptitle()


def test_a_format_that_is_none(tmp_path):
    with pytest.raises(ac.DataError, match="a picture is written as"):
        found().plot(tmp_path / "regret.gif")
