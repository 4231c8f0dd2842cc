"""How far bankers live from branches."""

import math

import numpy as np
import pytest

from streams.planning.distances import EARTH_RADIUS_KM, degrees_apart, km_apart

MELBOURNE = (-37.8136, 144.9631)
GEELONG = (-38.1499, 144.3617)
DARWIN = (-12.4634, 130.8456)


def _one(place: tuple[float, float]) -> np.ndarray:
    return np.array([place])


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (MELBOURNE, GEELONG, 64.7),
        (MELBOURNE, DARWIN, 3_148),
        (MELBOURNE, MELBOURNE, 0),
        ((0, 179.9), (0, -179.9), 22.2),
        ((90, 0), (-90, 77), math.pi * EARTH_RADIUS_KM),
        ((0, 0), (0, 180), math.pi * EARTH_RADIUS_KM),
    ],
)
def test_great_circles_are_as_long_as_maps_say(
    one: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    """Across the date line and to the other side of the earth too; either way alike."""
    assert km_apart(_one(one), _one(other))[0, 0] == pytest.approx(km, rel=5e-3)
    assert km_apart(_one(other), _one(one))[0, 0] == pytest.approx(km, rel=5e-3)


def test_every_pair_has_its_distance() -> None:
    """As the law of cosines gives it, pair by pair."""
    random = np.random.default_rng(1)
    bankers = random.uniform((-39, 141), (-34, 150), (7, 2))
    branches = random.uniform((-39, 141), (-34, 150), (5, 2))
    apart = km_apart(bankers, branches)
    assert apart.shape == (7, 5)
    for row, (latitude, longitude) in enumerate(np.radians(bankers)):
        for column, (to_latitude, to_longitude) in enumerate(np.radians(branches)):
            cosine = math.sin(latitude) * math.sin(to_latitude) + math.cos(latitude) * math.cos(
                to_latitude
            ) * math.cos(to_longitude - longitude)
            expected = EARTH_RADIUS_KM * math.acos(cosine)
            assert apart[row, column] == pytest.approx(expected, rel=1e-6)


def test_degrees_are_the_hypotenuse() -> None:
    """3 and 4 give 5, wherever it is."""
    bankers = np.array([(0.0, 0.0), (-38.0, 145.0)])
    branches = np.array([(3.0, 4.0), (-35.0, 149.0)])
    assert degrees_apart(bankers, branches)[0, 0] == 5
    assert degrees_apart(bankers, branches)[1, 1] == 5


def test_degrees_make_an_east_west_way_a_quarter_too_long_in_melbourne() -> None:
    """What the two say of the same pair of ways is not in the same proportion."""
    north = np.array([(MELBOURNE[0] + 1, MELBOURNE[1])])
    east = np.array([(MELBOURNE[0], MELBOURNE[1] + 1)])
    from_here = _one(MELBOURNE)
    assert degrees_apart(from_here, north)[0, 0] == pytest.approx(1)
    assert degrees_apart(from_here, east)[0, 0] == pytest.approx(1)
    ratio = km_apart(from_here, north)[0, 0] / km_apart(from_here, east)[0, 0]
    assert ratio == pytest.approx(1.266, abs=1e-3)
