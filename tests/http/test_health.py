from kube_lite.http.health import Health


async def fine() -> str:
    return ""


async def broken() -> str:
    return "the disk is full"


async def text_of(health: Health, path: str, query: str = "") -> tuple[int, str]:
    verdict = await health.judge(path, query)
    assert verdict is not None
    return verdict.code, verdict.text


async def test_without_wishes_the_answer_is_one_word() -> None:
    assert await text_of(Health({"ping": fine, "etcd": fine}), "/livez") == (200, "ok")


async def test_verbose_names_every_check_and_ends_with_a_verdict() -> None:
    health = Health({"ping": fine, "etcd": fine})
    expected = "[+]ping ok\n[+]etcd ok\nreadyz check passed\n"
    assert await text_of(health, "/readyz", "verbose") == (200, expected)


async def test_a_failed_check_keeps_its_reason_to_itself() -> None:
    health = Health({"ping": fine, "etcd": broken})
    expected = "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n"
    assert await text_of(health, "/livez") == (500, expected)


async def test_a_check_can_be_left_out() -> None:
    health = Health({"ping": fine, "etcd": broken})
    expected = "[+]ping ok\n[+]etcd excluded: ok\nlivez check passed\n"
    assert await text_of(health, "/livez", "verbose=&exclude=etcd") == (200, expected)


async def test_leaving_out_what_is_not_there_is_warned_of() -> None:
    code, text = await text_of(Health({"ping": fine}), "/livez", "verbose&exclude=nothing")
    assert code == 200
    assert text.splitlines()[-2:] == [
        'warn: some health checks cannot be excluded: no matches for "nothing"',
        "livez check passed",
    ]


async def test_one_check_can_be_asked_alone() -> None:
    health = Health({"ping": fine, "etcd": broken})
    assert await text_of(health, "/livez/ping") == (200, "ok")
    assert (await text_of(health, "/livez/etcd"))[0] == 500
    assert await health.judge("/livez/nothing", "") is None
