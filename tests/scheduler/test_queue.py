"""Which pod is tried when."""

from typing import Any

import pytest

from kube_lite.api.identity import Json, ObjectKey
from kube_lite.scheduler.profiles import FILTERS as EVERY
from kube_lite.scheduler.queue import FORGOTTEN_AFTER, Queue, Waiting


def pod(name: str, *, uid: str = "", **spec: Any) -> Json:
    return {"metadata": {"name": name, "namespace": "n", "uid": uid or name}, "spec": spec}


def popped(queue: Queue, now: float) -> Waiting:
    entry = queue.pop(now)
    assert entry is not None
    return entry


def test_the_most_important_goes_first_and_of_equals_the_one_that_waited_longest() -> None:
    queue = Queue()
    queue.add(pod("old"), 0.0)
    queue.add(pod("new"), 1.0)
    queue.add(pod("important", priority=10), 2.0)
    assert [popped(queue, 3.0).key.name for _ in range(3)] == ["important", "old", "new"]
    assert queue.pop(3.0) is None


def test_a_pod_that_is_being_tried_is_not_tried_twice() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    popped(queue, 0.0)
    queue.add(pod("a", nodeSelector={}), 0.0)
    assert queue.pop(0.0) is None


def test_a_pod_that_does_not_fit_waits_for_a_change() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    queue.put_back(popped(queue, 0.0), 0.0, unschedulable=True)
    assert queue.pop(60.0) is None
    queue.wake(EVERY, 60.0)
    assert popped(queue, 60.0).key.name == "a"


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [
        pytest.param(n, s, id=f"after failure {n}")
        for n, s in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 10.0))
    ],
)
def test_a_pod_that_keeps_failing_backs_off(failures: int, seconds: float) -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    now = 0.0
    for _ in range(failures):
        entry = popped(queue, now)
        queue.put_back(entry, now, unschedulable=False)
        began, now = now, entry.may_be_tried_at()
    assert queue.next_due() == now == began + seconds
    assert queue.pop(now - 0.01) is None
    assert queue.pop(now) is not None


def test_a_change_does_not_shorten_the_back_off() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    queue.put_back(popped(queue, 0.0), 0.0, unschedulable=True)
    queue.wake(EVERY, 0.1)
    assert queue.pop(0.1) is None
    assert queue.next_due() == 1.0
    assert queue.pop(1.0) is not None


def test_a_change_of_the_pod_itself_wakes_it_and_of_its_status_does_not() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    queue.put_back(popped(queue, 0.0), 0.0, unschedulable=True)
    queue.add({**pod("a"), "status": {"phase": "Pending"}}, 5.0)
    assert queue.pop(5.0) is None
    queue.add(pod("a", tolerations=[{"operator": "Exists"}]), 5.0)
    assert popped(queue, 5.0).pod["spec"] == {"tolerations": [{"operator": "Exists"}]}


def test_what_waited_very_long_is_tried_without_a_change() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    queue.put_back(popped(queue, 0.0), 0.0, unschedulable=True)
    assert queue.next_due() == FORGOTTEN_AFTER
    queue.wake_forgotten(FORGOTTEN_AFTER)
    assert queue.pop(FORGOTTEN_AFTER) is not None


def test_a_pod_that_is_gone_is_not_tried() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    queue.remove(ObjectKey("n", "a"))
    queue.remove(ObjectKey("n", "a"))
    assert queue.pop(0.0) is None
    assert len(queue) == 0
    assert queue.next_due() is None


def test_a_pod_that_went_while_it_was_tried_does_not_come_back() -> None:
    queue = Queue()
    queue.add(pod("a"), 0.0)
    entry = popped(queue, 0.0)
    queue.remove(entry.key)
    queue.put_back(entry, 0.0, unschedulable=False)
    assert len(queue) == 0


def test_another_pod_of_the_same_name_begins_anew() -> None:
    queue = Queue()
    queue.add(pod("a", uid="one"), 0.0)
    queue.put_back(popped(queue, 0.0), 0.0, unschedulable=True)
    queue.add(pod("a", uid="two"), 1.0)
    assert popped(queue, 1.0).pod["metadata"]["uid"] == "two"
