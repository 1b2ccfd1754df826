"""Pairs of hashes that are near are those that the plain definition finds."""

from __future__ import annotations

import numpy as np
import pytest

from photos.hashing import Near, near, near_earlier, upright

NEAREST = 34


def made(count, *, seed):
    """Hashes of which some are some bits from others in one crop and orientation."""
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**63, (count, 49, 8, 2), dtype=np.uint64)
    for second in range(count // 2, count):
        crop, orientation = generator.integers(49), generator.integers(8)
        flipped = generator.choice(119, generator.integers(50), replace=False)
        words = [sum(1 << int(bit) % 64 for bit in flipped if bit // 64 == word) for word in (0, 1)]
        first = hashes[second - count // 2]
        where = (crop, orientation) if generator.integers(2) else (0, orientation)
        source = first[0, 0] if where[0] else first[crop, 0]
        hashes[second][where] = source ^ np.array(words, np.uint64)
    return list(hashes)


def words(one):
    return int(one[0]) | int(one[1]) << 64


def apart_by(first, second, orientation):
    """The definition: the least of the whole against all crops, either way."""
    turned = [words(one) for one in second[:, orientation]]
    standing = [words(one) for one in first[:, 0]]
    whole_first = [(standing[0] ^ one).bit_count() for one in turned]
    whole_second = [(turned[0] ^ one).bit_count() for one in standing]
    return min(whole_first + whole_second)


def plainly(one, other, first, second):
    apart = [apart_by(one, other, orientation) for orientation in range(8)]
    return [Near(first, second, min(apart), apart.index(min(apart)))] if min(apart) <= NEAREST else []


@pytest.mark.parametrize("seed", range(3))
def test_pairs_among_photos_are_those_of_the_definition(seed):
    hashes = made(24, seed=seed)

    expected = [
        pair
        for second, other in enumerate(hashes)
        for first, one in enumerate(hashes[:second])
        for pair in plainly(one, other, first, second)
    ]
    assert len(expected) > 3
    assert list(near(hashes)) == expected


def test_pairs_with_earlier_photos_are_those_of_the_definition():
    hashes = made(24, seed=7)
    now, earlier = hashes[12:], hashes[:12]

    expected = [
        pair
        for second, other in enumerate(now)
        for first, one in enumerate(earlier)
        for pair in plainly(one, other, first, second)
    ]
    assert len(expected) > 3
    assert list(near_earlier(now, [upright(one) for one in earlier])) == expected


def test_more_photos_than_are_compared_in_one_go_are_all_compared():
    hashes = made(1200, seed=3)
    for place in (5, 700, 1199):
        earlier = [upright(one) for one in hashes]
        asked = made(2, seed=4)[0]
        asked[0, 3] = hashes[place][0, 0]

        assert [(pair.first, pair.apart, pair.orientation) for pair in near_earlier([asked], earlier)] == [
            (place, 0, 3)
        ]


def test_nothing_is_near_to_nothing():
    assert list(near([])) == []
    assert list(near(made(2, seed=1)[:1])) == []
    assert list(near_earlier(made(2, seed=1), [])) == []
