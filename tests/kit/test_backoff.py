from random import Random

from kube_lite.kit.backoff import Backoff


def test_delays_double_up_to_the_maximum_and_start_over_when_forgotten() -> None:
    backoff = Backoff(1, 10)
    assert [backoff.next("a") for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.forget("a")
    assert backoff.next("a") == 1


def test_keys_fail_independently() -> None:
    backoff = Backoff(1, 10)
    backoff.next("a")
    assert (backoff.next("b"), backoff.failures("a"), backoff.failures("c")) == (1, 1, 0)


def test_jitter_lengthens_within_its_fraction_and_is_repeatable() -> None:
    first, second = (Backoff(1, 10, jitter=0.5, random=Random(7)) for _ in range(2))
    delays = [first.next(number) for number in range(50)]
    assert delays == [second.next(number) for number in range(50)]
    assert min(delays) >= 1
    assert max(delays) <= 1.5
    assert len(set(delays)) > 40


def test_thousands_of_failures_stay_at_the_maximum() -> None:
    backoff = Backoff(0.005, 1000)
    assert {backoff.next() for _ in range(5000)} >= {1000.0}
    assert backoff.next() == 1000.0
