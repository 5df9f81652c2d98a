from kube_lite.kit.metrics import Labels, Metrics, View


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


def test_a_view_shows_some_of_a_histogram_less_fine() -> None:
    def of_the_real(labels: Labels) -> Labels | None:
        return None if labels[1] else labels[:1]

    metrics = Metrics()
    seconds = metrics.histogram("wait_seconds", "Waiting.", ("verb", "dry_run"))
    metrics.show(View("real_seconds", "Waiting.", ("verb",), seconds, of_the_real, 0.05))
    for dry_run, value in (("", 0.001), ("", 0.03), ("", 0.3), ("All", 0.3)):
        seconds.observe(("get", dry_run), value)
    text = metrics.text().partition("# HELP real_seconds")[2]
    assert 'real_seconds_bucket{verb="get",le="0.05"} 2\n' in text
    assert 'real_seconds_bucket{verb="get",le="0.4"} 3\n' in text
    assert 'real_seconds_count{verb="get"} 3\n' in text
    assert 'real_seconds_sum{verb="get"} 0.331\n' in text
    assert 'le="0.025"' not in text
