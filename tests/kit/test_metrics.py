from kube_lite.kit.metrics import Metrics


def test_a_histogram_counts_a_value_for_every_bound_that_is_not_below_it() -> None:
    metrics = Metrics()
    seconds = metrics.histogram("wait_seconds", "Waiting.", ("verb",))
    for value in (0.001, 0.025, 0.3, 100.0):
        seconds.observe(("get",), value)
    text = metrics.text()
    assert 'wait_seconds_bucket{verb="get",le="0.005"} 1\n' in text
    assert 'wait_seconds_bucket{verb="get",le="0.025"} 2\n' in text
    assert 'wait_seconds_bucket{verb="get",le="60"} 3\n' in text
    assert 'wait_seconds_bucket{verb="get",le="+Inf"} 4\n' in text
    assert 'wait_seconds_count{verb="get"} 4\n' in text


def test_counters_and_gauges_are_told_with_their_labels_escaped() -> None:
    metrics = Metrics()
    metrics.counter("asked_total", "Asked.", ("path",)).add(('a"b\n',), 2)
    metrics.gauge("open", "Open.", (), lambda: {(): 3.0})
    assert metrics.text() == (
        "# HELP asked_total Asked.\n# TYPE asked_total counter\n"
        'asked_total{path="a\\"b\\n"} 2\n'
        "# HELP open Open.\n# TYPE open gauge\nopen 3\n"
    )
