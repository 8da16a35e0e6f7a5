"""Pictures that lie on their side: the network, made for people who stand or sit, finds hardly anybody in them.

A photo is seen turned by a quarter to the left and to the right. People are found upside down nearly as well as
upright, where most other things are not: if both views are sure of somebody, agree on where, and find far more than the
view as given, the picture lies on its side.
"""

from __future__ import annotations

from fastnst.array_types import FloatPlane

_PERSON_ALPHA, _CERTAIN_ALPHA = 0.5, 0.9
_MIN_GAIN = 1.5  # times what the view as given is certain of
_MIN_SHARE = 0.1  # of the picture, in both views
_MIN_CONTAINED = 0.9  # of the smaller find that the larger one holds
_MIN_OVERLAP = 0.3  # intersection over union; a close face is found in part when it stands on its head


def may_lie(alpha: FloatPlane) -> bool:
    """False for a matte `[h, w]`, found in the view as given, that no other view can surpass by enough."""
    return _certain(alpha) * _MIN_GAIN < 1


def quarter_turns(alpha: FloatPlane, left: FloatPlane, right: FloatPlane, *, alpha_is_sure: bool) -> int:
    """Quarter turns to the left after which people are upright: 1, 3, or 0 if the picture does not lie on its side.

    Args:
        alpha: the matte `[h, w]` of the picture as given.
        left, right: those of the picture turned by a quarter to the left and to the right, turned back. The network
            must be sure of both.
        alpha_is_sure: whether it is sure of `alpha`; else that one does not count.
    """
    one, other = left > _PERSON_ALPHA, right > _PERSON_ALPHA
    smaller, both = min(one.mean(), other.mean()), (one & other).mean()
    if smaller < _MIN_SHARE or both < _MIN_CONTAINED * smaller or both < _MIN_OVERLAP * (one | other).mean():
        return 0
    found = _certain(left), _certain(right)
    if alpha_is_sure and min(found) <= _MIN_GAIN * _certain(alpha):
        return 0
    return 1 if found[0] >= found[1] else 3


def _certain(alpha: FloatPlane) -> float:
    return float((alpha > _CERTAIN_ALPHA).mean())
