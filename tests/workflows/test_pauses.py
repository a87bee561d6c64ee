"""How long what waits for a refused recipient rests: seldom in the end, and never longer than is said."""

from datetime import timedelta

from workflows.pauses import SHORTEST, Pauses


def test_each_pause_is_twice_the_one_before_it_up_to_the_longest() -> None:
    pauses = Pauses()
    seconds = [pauses.next() / timedelta(seconds=1) for _ in range(13)]
    assert seconds == [*(2.0**number for number in range(11)), 1800.0, 1800.0]
    pauses.reset()
    assert pauses.next() == SHORTEST
