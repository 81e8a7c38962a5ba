"""Controllers: the numbers of the specs, the laws of each, and that a saved state continues as if nothing had happened."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import InputError
from burnish.core.plugins import catalogue, find, names
from burnish.objectives.controllers.adaptive_temperature import TemperatureState, temperature_for_entropy, tempered_entropy
from burnish.objectives.controllers.amft import AmftState, meta_gradient
from burnish.objectives.controllers.base import Controller, Measured, Plan, inner_products, mixed
from burnish.objectives.controllers.sasr import supervised_share

NORMAL = Measured(
    gradient_norm={"sft": 2.0, "rl": 1.0},
    entropy={"sft": 0.9, "rl": 0.4},
    products={"sft.sft": 2.0, "rl.sft": 0.5, "rl.rl": 3.0, "sft.validation": 0.7, "rl.validation": 0.2, "validation.validation": 1.0},
)


def plans(name: str, count: int, measured=lambda step: NORMAL, state=None, **given) -> list[Plan]:
    """The plans of a controller from its start (or `state`); its state goes through its saved form at every step."""
    controller = find("controller", name)
    options, state, made = controller.options(given), state or controller.state(), []
    for step in range(count):
        state, plan = controller.advance(state, measured(step) if step else Measured(), options)
        state = msgspec.json.decode(msgspec.json.encode(state), type=controller.state)
        made.append(plan)
    return made


def test_every_controller_is_described() -> None:
    assert names("controller") == ["adaptive_entropy", "adaptive_temperature", "amft", "fixed", "linear", "sasr"]
    assert all(catalogue("controllers")["controllers"].values())
    for name in names("controller"):
        controller = find("controller", name)
        assert isinstance(controller, Controller)
        assert (controller.name, bool(controller.formula), bool(controller.source)) == (name, True, True)
        assert controller.experimental == (name == "amft")
        assert controller.needs <= set(Measured.__struct_fields__)
    with pytest.raises(InputError, match=r"controller 'sasr' has no option 'beta'.*gamma, seed, warmup"):
        find("controller", "sasr").options({"beta": 1})


@pytest.mark.parametrize("name", ["adaptive_entropy", "adaptive_temperature", "amft", "fixed", "linear", "sasr"])
def test_a_resumed_run_has_the_same_plans(name) -> None:
    controller, state = find("controller", name), None
    options, state = controller.options({}), controller.state()
    straight = []
    for step in range(120):
        state, plan = controller.advance(state, NORMAL if step else Measured(), options)
        straight.append(plan)
        assert state.step == step + 1
    assert straight == plans(name, 120)


class TestMixtures:
    def test_fixed(self) -> None:
        assert plans("fixed", 2, sft=0.3, rl=0.7, preference=0, value=0) == [Plan(streams={"sft": 0.3, "rl": 0.7})] * 2

    def test_ends_are_pure(self) -> None:
        assert (mixed(1.0), mixed(0.0)) == ({"sft": 1.0}, {"rl": 1.0})

    def test_linear(self) -> None:
        got = plans("linear", 6, start=0.9, end=0.1, steps=4)
        assert [plan.report["share"] for plan in got] == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1, 0.1])
        assert got[1].streams == pytest.approx({"sft": 0.7, "rl": 0.3})
        assert plans("linear", 1, start=0.9, end=0.0, steps=0)[0].streams == {"rl": 1.0}

    def test_a_third_of_imitation_has_the_loss_of_the_spec(self) -> None:
        streams = plans("fixed", 1, sft=0.3, rl=0.7)[0].streams
        assert streams["sft"] * 0.9179041614 + streams["rl"] * -0.1424538993 == pytest.approx(0.1756535189, abs=1e-9)


class TestSasr:
    @pytest.mark.parametrize(
        ("last", "warmup", "gamma", "share"), [(2, 4, 1, 0.3333333333), (0.8, 4, 1, 0.1666666667), (4, 4, 0.5, 0.6666666667), (0, 4, 1, 0)]
    )
    def test_share(self, last, warmup, gamma, share) -> None:
        assert supervised_share(last, warmup, gamma) == pytest.approx(share, abs=1e-10)

    @given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
    def test_share_rises_with_the_gradient(self, last, warmup, gamma) -> None:
        assert 0 < supervised_share(last, warmup, gamma) <= supervised_share(2 * last, warmup, gamma) <= 1

    def run(self, decay: float, steps: int, **options) -> list[Plan]:
        """Plans while the norm of the supervised gradient decays at each of its steps."""
        sasr = find("controller", "sasr")
        state, options, norm, made, measured = sasr.state(), sasr.options(options), 4.0, [], Measured()
        for _ in range(steps):
            state, plan = sasr.advance(state, measured, options)
            supervised = "sft" in plan.streams
            measured = Measured(gradient_norm={"sft": norm} if supervised else {"rl": 1.0})
            norm *= decay if supervised else 1.0
            made.append(plan)
        return made

    @pytest.mark.parametrize(("decay", "share"), [(1.0, 0.4825), (0.99, 0.34), (0.95, 0.15)])
    def test_imitation_fades_with_its_gradient(self, decay, share) -> None:
        got = self.run(decay, 401, warmup=1)[1:]
        assert sum("sft" in plan.streams for plan in got) / 400 == pytest.approx(share, abs=0.06)

    def test_warm_up_then_a_half(self) -> None:
        got = self.run(1.0, 12, warmup=10)
        assert [plan.streams for plan in got[:10]] == [{"sft": 1.0}] * 10
        assert got[10].report["share"] == 0.5

    def test_ends_are_pure(self) -> None:
        assert all(plan.streams == {"sft": 1.0} for plan in self.run(1.0, 50, warmup=1, gamma=0))
        assert all(plan.streams == {"rl": 1.0} for plan in self.run(1.0, 50, warmup=1, gamma=1e12)[1:])

    def test_only_a_supervised_step_changes_the_norm(self) -> None:
        got = self.run(0.5, 60, warmup=1)
        for before, after in pairwise(got[1:]):
            assert (after.report["share"] < before.report["share"]) == ("sft" in before.streams)

    def test_seeds_draw_differently(self) -> None:
        assert self.run(1.0, 40, seed=0) != self.run(1.0, 40, seed=1)

    def test_a_missing_norm_is_named(self) -> None:
        with pytest.raises(InputError, match="gradient norm of the stream 'sft'"):
            plans("sasr", 2, lambda _: Measured())


class TestAmft:
    """theta = (.5, -.3); half squared distances to (1, 0), (0, 1) and (.2, .9) as supervised, reinforced and validation loss."""

    def products(self) -> dict[str, float]:
        theta = torch.tensor([0.5, -0.3], dtype=torch.float64)
        goals = {"sft": [1.0, 0.0], "rl": [0.0, 1.0], "validation": [0.2, 0.9]}
        return inner_products({name: [theta - torch.tensor(goal, dtype=torch.float64)] for name, goal in goals.items()})

    def share(self, **changes) -> float:
        options = {"meta_rate": 0.1, "entropy_rate": 0.05, "look_ahead": 0.1, "cosine": 0.0, "warmup": 0.0} | changes
        start = AmftState(step=40, share=options.pop("at", 0.5), entropy_sum=1.2, entropy_count=1)
        measured = Measured(entropy={"rl": 0.8}, products=self.products())
        controller = find("controller", "amft")
        return controller.advance(start, measured, controller.options(options))[0].share

    def test_meta_gradient(self) -> None:
        assert -0.1 * meta_gradient(self.products(), cosine=False) == pytest.approx(0.15, abs=1e-12)

    def test_first_order_is_near_the_exact_slope(self) -> None:
        theta, goals = torch.tensor([0.5, -0.3]).double(), torch.tensor([[1.0, 0], [0, 1]]).double()
        share = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        ahead = theta - 0.1 * (share * (theta - goals[0]) + (1 - share) * (theta - goals[1]))
        loss = 0.5 * ((ahead - torch.tensor([0.2, 0.9]).double()) ** 2).sum()
        assert torch.autograd.grad(loss, share)[0].item() == pytest.approx(0.142, abs=1e-7)

    def test_update(self) -> None:
        assert self.share() == pytest.approx(0.505, abs=1e-12)

    def test_clip(self) -> None:
        assert self.share(at=0.94, entropy_rate=0.5) == 0.95
        assert self.share(at=0.06, meta_rate=100, entropy_rate=0) == 0.05

    def test_cosine_is_the_normalised_slope(self) -> None:
        length = math.sqrt((1.0 + 1.0) * (0.09 + 1.44))
        assert meta_gradient(self.products(), cosine=True) == pytest.approx(-1.5 / length)
        assert meta_gradient(dict.fromkeys(self.products(), 0.0), cosine=True) == 0

    @pytest.mark.parametrize(("goal", "rises"), [("sft", True), ("rl", False)])
    def test_follows_the_validation_loss(self, goal, rises) -> None:
        sft, rl = [torch.tensor([1.0, 0.2])], [torch.tensor([-0.3, 1.0])]
        products = inner_products({"sft": sft, "rl": rl, "validation": {"sft": sft, "rl": rl}[goal]})
        assert (meta_gradient(products, cosine=False) > 0) == rises

    def test_low_entropy_asks_for_imitation(self) -> None:
        assert self.share(meta_rate=0) > 0.5

    def test_only_every_so_many_steps_after_the_warm_up(self) -> None:
        amft = find("controller", "amft")
        options = amft.options({"warmup": 10, "every": 4})
        assert [step for step in range(20) if amft.wants_products(AmftState(step=step), options)] == [10, 14, 18]
        got = plans("amft", 20, warmup=10, every=4)
        assert all(plan.streams == {"sft": 1.0} for plan in got[:10])
        assert got[10].streams == got[11].streams != got[14].streams

    def test_target_is_the_entropy_at_the_end_of_the_warm_up(self) -> None:
        amft = find("controller", "amft")
        state, options = amft.state(), amft.options({"warmup": 30, "every": 100})
        for step in range(31):
            measured = Measured(entropy={"sft": 5.0 if step <= 10 else 0.5}, products=NORMAL.products)
            state, _ = amft.advance(state, measured, options)
        assert (state.entropy_sum, state.entropy_count) == (10.0, 20)

    @pytest.mark.parametrize(("start", "stream"), [(1.0, "sft"), (0.0, "rl")])
    def test_pure_ends(self, start, stream) -> None:
        still = {"low": 0, "high": 1, "meta_rate": 0, "entropy_rate": 0, "warmup": 1}
        assert all(plan.streams == {stream: 1.0} for plan in plans("amft", 30, lambda _: NORMAL, AmftState(share=start), **still)[1:])

    def test_without_a_validation_stream(self) -> None:
        with pytest.raises(InputError, match="validation stream"):
            meta_gradient({"sft.sft": 1.0}, cosine=True)


def test_inner_products_are_over_all_tensors() -> None:
    got = inner_products({"b": [torch.tensor([[1.0, 2.0]]), torch.tensor(3.0)], "a": [torch.tensor([[4.0, 5.0]]), torch.tensor(6.0)]})
    assert got == {"a.a": 77.0, "a.b": 32.0, "b.b": 14.0}


LOGITS = torch.tensor([[4.0, 2.0, 1.0, 0.0]])


class TestTemperature:
    @pytest.mark.parametrize(("temperature", "entropy"), [(0.6, 0.1971), (0.85, 0.4515), (1.0, 0.5951)])
    def test_entropy(self, temperature, entropy) -> None:
        assert tempered_entropy(LOGITS, temperature) == pytest.approx(entropy, abs=5e-5)

    def test_bisection(self) -> None:
        assert temperature_for_entropy(LOGITS, 0.3) == pytest.approx(0.70290, abs=5e-6)

    def test_out_of_reach(self) -> None:
        with pytest.raises(InputError, match=r"No temperature in \[0.05, 5.0\] gives an entropy of 1.5: it reaches from 0.0000 to 1.3401"):
            temperature_for_entropy(LOGITS, 1.5)

    @given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(0.2, 3), st.floats(1.01, 2))
    def test_entropy_rises_with_temperature(self, logits, temperature, factor) -> None:
        tensor = torch.tensor([logits], dtype=torch.float64)
        assert tempered_entropy(tensor, temperature * factor) >= tempered_entropy(tensor, temperature) - 1e-12

    def test_converges_to_the_same_temperature(self) -> None:
        controller, temperature = find("controller", "adaptive_temperature"), 1.0
        state, options = TemperatureState(temperature=temperature), controller.options({})
        for _ in range(60):
            measured = Measured(entropy={"rl": tempered_entropy(LOGITS, temperature)})
            state, plan = controller.advance(state, measured, options)
            assert plan.streams == {}
            temperature = plan.temperature
        assert temperature == pytest.approx(0.70290, abs=1e-4)

    def test_bounds(self) -> None:
        hot = plans("adaptive_temperature", 50, lambda _: Measured(entropy={"rl": 0.0}))[-1]
        cold = plans("adaptive_temperature", 50, lambda _: Measured(entropy={"rl": 3.0}))[-1]
        assert (hot.temperature, cold.temperature) == (1.5, 0.3)


class TestEntropyBonus:
    def test_moves_and_is_only_applied_below_the_target(self) -> None:
        entropies = [None, 0.1, 0.1, 0.2, 0.5, 0.1]
        got = plans("adaptive_entropy", 6, lambda step: Measured(entropy={"rl": entropies[step]}), start=0.01)
        assert [plan.entropy for plan in got] == pytest.approx([0.01, 0.015, 0.02, 0.015, 0.0, 0.015])

    def test_bounds(self) -> None:
        assert plans("adaptive_entropy", 300, lambda _: Measured(entropy={"rl": 0.0}), high=0.1)[-1].entropy == 0.1
        assert plans("adaptive_entropy", 3, lambda _: Measured(entropy={"rl": 9.0}))[-1].entropy == 0.0
