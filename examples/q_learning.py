"""
Q-learning: what an agent finds that knows nothing but what it was paid, beside the optimum.

A pair, one stock to sell and one to buy, whose risks offset each other, in whole lots. A table learns it by trial; the
dynamic program and the quadratic program say how good it is. The table is saved and read, and refused where it does
not belong. Where prices move while it learns, one table believes in luck and two do not. Where stable-baselines3 is
installed, its PPO is trained on the same environment.

Run: python examples/q_learning.py [--out FOLDER] [--episodes NUMBER] [--steps NUMBER]
"""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import acopt as ac

arguments = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
arguments.add_argument("--out", type=Path, help="where table and picture go; a temporary folder by default")
arguments.add_argument("--episodes", type=int, default=20_000, help="how many episodes the table learns from")
arguments.add_argument("--steps", type=int, default=50_000, help="how many steps PPO is trained")
given = arguments.parse_args()
folder = given.out or Path(tempfile.mkdtemp(prefix="acopt_"))
folder.mkdir(parents=True, exist_ok=True)

# ---------------------------------------------------------------------------------------------------------
# Sell 12,000 of one stock and buy 5,000 of another, in eight intervals. Both move together: as long as both are open,
# they hedge each other. Trade one at a time, and the other is left naked.

grid = ac.TimeGrid.uniform(1.0, 8)
price = pd.Series({"SOLD": 40.0, "BOUGHT": 95.0})
smile = 1.0 + np.linspace(-1.0, 1.0, grid.periods) ** 2
volatility = np.array([0.8, 1.7])
covariance = np.outer(volatility, volatility) * [[1.0, 0.6], [0.6, 1.0]]
market = ac.Market(
    grid,
    price,
    volume=pd.DataFrame(np.outer(smile, [40_000.0, 18_000.0]), grid.labels, price.index),
    covariance=pd.DataFrame(covariance, price.index, price.index),
    spread=ac.bps(2.0),
    impact=ac.LinearImpact(12.0),
)
order = ac.Order.sell({"SOLD": 12_000}) + ac.Order.buy({"BOUGHT": 5_000})
problem = ac.ExecutionProblem(
    order, market, ac.TemporaryImpact() + ac.SpreadCost() + 1e-5 * ac.TimingRisk(), [ac.Monotone()]
)
lots = {"SOLD": 500, "BOUGHT": 250}

task = ac.ExecutionTask(problem, lots)
if find_spec("gymnasium"):
    env = ac.ExecutionEnv(problem, lots)
    seen, info = env.reset(seed=1)
    print(f"An action is one of {env.action_space}; at first one sees {seen.tolist()}")
else:
    print("For the same as an environment: pip install 'acopt[rl]'")

# ---------------------------------------------------------------------------------------------------------
# A table of what each action is worth in each state, from episodes alone.

learner = ac.QLearning(task, seed=1).train(given.episodes)
best, fractions = ac.dynamic_program(problem, lots).schedule, problem.solve()
print("Costs of episodes, of the best schedule known, and what the table takes it for, in currency:")
curve = learner.learning_curve
rows = [*(row for row in (0, 1, 4, 9, 29) if row < len(curve) - 1), -1]
print(curve.iloc[rows].to_string(index=False, float_format="{:,.3f}".format), end="\n\n")
print(f"{learner}: the greedy schedule costs {learner.schedule.objective:,.3f} in currency")
print(f"{100 * learner.gap(best):.3f}% above the dynamic program, {100 * learner.gap(fractions):.2f}% above the QP,")
print(f"which trades fractions of lots; TWAP is {100 * (ac.twap(problem).objective / best.objective - 1):.1f}% above")
if learner.gap(best) < -1e-9 or (given.episodes >= 20_000 and learner.gap(best) > 0.01):
    raise SystemExit("the greedy schedule should be within 1% of the optimum, and not below it")

# ---------------------------------------------------------------------------------------------------------
# A table is of one problem.

learner.save(folder / "table.npz")
again = ac.QLearning.load(folder / "table.npz", task)
print(f"Written: {folder / 'table.npz'}; read again, the gap is {100 * again.gap(best):.3f}%")
if not np.array_equal(again.actions, learner.actions):
    raise SystemExit("the table that was read should be the one that was written")
calmer = ac.ExecutionProblem(order, market, ac.TemporaryImpact() + ac.SpreadCost(), [ac.Monotone()])
try:
    ac.QLearning.load(folder / "table.npz", ac.ExecutionTask(calmer, lots))
except ac.DataError as refused:
    print(f"Refused: {str(refused).partition(': ')[2][:60]}...")
else:
    raise SystemExit("a table of another problem should be refused")

# ---------------------------------------------------------------------------------------------------------
# Prices that move while it learns, by a third of the volatility; four intervals and four lots of each. The largest of
# many noisy values is too large; a second table, which judges the first one's choice, does not know its luck.

short = ac.TimeGrid.uniform(1.0, 4)
calm = ac.Market(
    short,
    price,
    volume=pd.DataFrame(np.outer(np.ones(4), [80_000.0, 36_000.0]), short.labels, price.index),
    covariance=pd.DataFrame(covariance / 9, price.index, price.index),
    spread=ac.bps(2.0),
    impact=ac.LinearImpact(12.0),
)
noisy = ac.ExecutionProblem(order, calm, problem.objective, [ac.Monotone()])
moving = ac.ExecutionTask(noisy, {"SOLD": 3_000, "BOUGHT": 1_250}, prices=ac.ArithmeticBrownian())
optimum = ac.dynamic_program(noisy, {"SOLD": 3_000, "BOUGHT": 1_250}).value
for double in (False, True):
    lucky = ac.QLearning(moving, seed=1, double=double).train(given.episodes)
    believed = lucky.learning_curve["believed_cost"].iloc[-1]
    print(
        f"{'two tables' if double else 'one table'}: it believes its schedule costs {believed:,.0f}; it costs "
        f"{lucky.schedule.objective:,.0f}, the best one {optimum:,.0f}, in currency"
    )

# ---------------------------------------------------------------------------------------------------------
# A neural network on the same environment. Rewards are scaled to about one; the rest is stable-baselines3 as it comes.

if find_spec("gymnasium") and find_spec("stable_baselines3"):
    import gymnasium
    from stable_baselines3 import PPO

    scaled = gymnasium.wrappers.TransformReward(env, lambda reward: reward / best.objective * grid.periods)
    agent = PPO("MlpPolicy", scaled, gamma=1.0, seed=1, device="cpu").learn(given.steps)
    seen, info = env.reset(seed=1)
    trades, over = [], False
    while not over:
        action, _ = agent.predict(seen, deterministic=True)
        seen, _, over, _, info = env.step(action)
        trades.append(info["traded"])
    network = problem.evaluate(np.array(trades), name="PPO")
    print(f"PPO after {given.steps:,} steps: {100 * (network.objective / best.objective - 1):.1f}% above the optimum")
else:
    print("For a neural network on the same environment: pip install stable-baselines3")

# ---------------------------------------------------------------------------------------------------------
# How it went, in a picture.

if find_spec("matplotlib"):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve["episodes"], curve["cost"], color="#B8B8B8", label="episodes, trials included")
    axes.plot(curve["episodes"], curve["greedy_cost"], color="#0072B2", label="the best schedule known")
    axes.axhline(best.objective, color="#D55E00", linestyle="--", label="dynamic program")
    axes.axhline(fractions.objective, color="#8C6D31", linestyle=":", label="quadratic program, in fractions")
    axes.set(
        xlabel="episodes", ylabel="objective, currency", title="What an agent finds that is only told what it paid"
    )
    axes.legend(frameon=False)
    figure.savefig(folder / "q_learning.png", dpi=150)
    print(f"Written: {folder / 'q_learning.png'}")
else:
    print("For the picture: pip install 'acopt[plot]'")
