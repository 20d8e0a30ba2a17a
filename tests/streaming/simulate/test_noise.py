"""All chance comes from one seeded generator, and noise has the statistics it promises."""

from __future__ import annotations

import pytest
import torch

from streaming.simulate.noise import Dice, fractal_noise, spots


def draw(dice: Dice) -> list[torch.Tensor]:
    return [
        dice.unit(3, 4),
        dice.uniform(5, -1, 1),
        dice.log_uniform(5, 0.1, 10),
        dice.normal(2, 3),
        dice.sign(9),
        dice.chance(9, 0.5),
        dice.whole(9, 2, 5),
        dice.choose(9, (1, 2, 3)),
        dice.grain(2, 6, 7),
        fractal_noise(dice, 16, 24, torch.tensor([1.0])),
    ]


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    first, second, other = draw(Dice(7)), draw(Dice(7)), draw(Dice(8))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[:4], other[:4], strict=True))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    draw(Dice(7))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("low", "high"), [(0.1, 10.0), (3.0, 4.0)])
def test_log_uniform_stays_in_its_range_and_halves_at_the_geometric_mean(low: float, high: float) -> None:
    drawn = Dice(1).log_uniform(20_000, low, high)
    assert low <= float(drawn.min())
    assert float(drawn.max()) <= high
    assert float((drawn < (low * high) ** 0.5).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_choose_follows_its_weights() -> None:
    drawn = Dice(1).choose(20_000, (1.0, 0.0, 3.0))
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    assert shares.tolist() == pytest.approx([0.25, 0.0, 0.75], abs=0.02)


def test_fractal_noise_is_normal_and_smoother_with_a_larger_exponent() -> None:
    noise = fractal_noise(Dice(3), 64, 96, torch.tensor([0.0, 1.0, 2.0]))
    assert noise.shape == (3, 64, 96)
    torch.testing.assert_close(noise.std((1, 2)), torch.ones(3), atol=1e-3, rtol=0)
    roughness = noise.diff(dim=2).abs().mean((1, 2))
    assert roughness[0] > roughness[1] > roughness[2]


def test_grain_looks_like_fresh_normal_noise_in_every_picture() -> None:
    grain = Dice(3).grain(3, 60, 80)
    assert float(grain.std()) == pytest.approx(1, abs=0.05)
    assert not torch.equal(grain[0], grain[1])


def test_spots_are_rarer_the_farther_out_they_show_and_wider_the_larger_they_are() -> None:
    made = spots(Dice(3), 128, 192, torch.tensor([3.0, 3.0, 8.0]), torch.tensor([1.0, 2.0, 1.0]))
    assert float(made.abs().max()) <= 1
    shown = (made.abs() > 0.5).float()
    common, rare, _ = shown.mean((1, 2)).tolist()
    assert 0 < rare < 0.3 * common < common < 0.35
    borders = shown.diff(dim=2).abs().mean((1, 2))
    assert float(borders[2]) < 0.6 * float(borders[0])
