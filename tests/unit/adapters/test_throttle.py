"""How often the log hears of what a peer can cause at will."""

from datetime import timedelta

from adapters.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_is_reported_and_those_soon_after_are_counted() -> None:
    clock = Clock()
    throttle = Throttle(timedelta(seconds=10), clock)
    assert [throttle.happened() for _ in range(4)] == [1, 0, 0, 0]
    clock.now += 9.9
    assert throttle.happened() == 0
    clock.now += 0.1
    assert throttle.happened() == 5
    assert throttle.happened() == 0


def test_what_was_not_reported_is_reported_once_at_the_end() -> None:
    throttle = Throttle(timedelta(seconds=10), Clock())
    for _ in range(3):
        throttle.happened()
    assert throttle.rest() == 2
    assert throttle.rest() == 0
