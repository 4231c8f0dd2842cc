"""How far it is from each banker to each branch.

In: places as latitude and longitude in degrees. Out: (P, B) distances, in degrees as the authors
of the source document had them, or in kilometres as people have them.

A degree of longitude is shorter than one of latitude everywhere but at the equator: 88 km against
111 km in Melbourne. So degrees say an east-west way to be longer than it is, by a quarter there.
"""

from typing import Final

import numpy as np

from dispatcher.planning.network import Floats

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius (IUGG). The earth is no sphere: up to 0.56 % is lost by this."""


def degrees_apart(bankers: Floats, branches: Floats) -> Floats:
    """Euclidean distances of latitude and longitude, degrees.

    Args:
        bankers: (P, 2) latitude and longitude, degrees.
        branches: (B, 2) likewise.

    Returns:
        (P, B).
    """
    apart = bankers[:, None, :] - branches[None, :, :]
    return np.hypot(apart[..., 0], apart[..., 1])


def km_apart(bankers: Floats, branches: Floats) -> Floats:
    """Great-circle distances by the haversine formula, kilometres; arguments as above."""
    latitude, longitude = np.radians(bankers[:, None, :]).transpose(2, 0, 1)
    other_latitude, other_longitude = np.radians(branches[None, :, :]).transpose(2, 0, 1)
    half_chord_squared = (
        np.sin((other_latitude - latitude) / 2) ** 2
        + np.cos(latitude) * np.cos(other_latitude) * np.sin((other_longitude - longitude) / 2) ** 2
    )
    # Rounding may leave it above 1 for places on opposite sides of the earth.
    distances: Floats = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half_chord_squared, 1)))
    return distances
