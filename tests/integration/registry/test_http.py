from __future__ import annotations

import gzip
import logging
import subprocess
import sys
import threading
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.errors import ErrorKind
from orchestrator.hosts import host_of
from orchestrator.notify.delivery import redirect_of
from orchestrator.system.http import HttpClient, HttpError, Response
from tests.support.certificates import make_certificate
from tests.support.loopback import Reply, Request, answering, dead_url, dripping, serving

ROOT = Path(__file__).parents[3]
SECRET = "secret-token-4711"


@pytest.fixture
def http() -> Iterator[HttpClient]:
    with closing(HttpClient(4, read_timeout=5)) as opened:
        yield opened


def error_of(http: HttpClient, url: str, **options: bool | Path) -> HttpError:
    """What is raised; nothing in it, nor behind it, knows the URL."""
    verify = options.get("verify", True)
    with pytest.raises(HttpError) as caught:
        http.request("GET", f"{url}/{SECRET}?key={SECRET}", headers={}, verify=verify)
    error = caught.value
    assert SECRET not in f"{error!r} {error.hint}"
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def test_an_answer_has_status_headers_in_lower_case_and_body(http: HttpClient) -> None:
    reply = Reply(418, b"short and stout", {"Docker-Content-Digest": "sha256:0"})
    with serving(answering(reply)) as server:
        answer = http.request("GET", server.url, headers={"Accept": "tea"})

    assert (answer.status, answer.body, answer.is_whole) == (418, b"short and stout", True)
    assert answer.headers["docker-content-digest"] == "sha256:0"
    assert server.requests[0].headers["accept"] == "tea"
    assert server.requests[0].headers["user-agent"].startswith("docker-image-syncer/")


def test_a_body_is_posted_as_it_is(http: HttpClient) -> None:
    with serving(answering(Reply(204))) as server:
        answer = http.post(server.url, "镜像".encode(), {"Content-Type": "text/plain"})

    assert (answer.status, answer.body) == (204, b"")
    assert server.requests[0].body == "镜像".encode()
    assert server.requests[0].headers["content-type"] == "text/plain"


def test_no_more_than_the_limit_is_read(http: HttpClient) -> None:
    with serving(answering(Reply(200, b"x" * 300_000))) as server:
        cut = http.request("GET", server.url, headers={}, limit=100_000)
        whole = http.request("GET", server.url, headers={}, limit=300_000)

    assert (len(cut.body), cut.is_whole) == (100_000, False)
    assert (len(whole.body), whole.is_whole) == (300_000, True)


def test_what_is_beyond_the_limit_is_not_waited_for(http: HttpClient) -> None:
    with serving(answering(Reply(200, b"x" * 300_000, promised=10**9))) as server:
        cut = http.request("GET", server.url, headers={}, limit=100_000)

    assert (len(cut.body), cut.is_whole) == (100_000, False)


def test_of_a_bomb_no_more_is_unpacked_than_the_limit(http: HttpClient) -> None:
    bomb = Reply(200, gzip.compress(bytes(100 * 1024 * 1024)), {"Content-Encoding": "gzip"})
    with serving(answering(bomb)) as server:
        tracemalloc.start()
        cut = http.request("GET", server.url, headers={}, limit=100_000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert (len(cut.body), cut.is_whole) == (100_000, False)
    assert most < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", 0, id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, 17, id="headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0, id="interim answers"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000, 40, id="body"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000, 19, id="body without a length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200,
            47,
            id="chunks",
        ),
    ],
)
def test_an_answer_that_drips_is_late(answer: bytes, after: int) -> None:
    with dripping(answer, after=after) as host, closing(HttpClient(deadline=0.5)) as http:
        began = time.monotonic()
        error = error_of(http, f"http://{host}")
    assert (error.kind, error.message) == (ErrorKind.TIMEOUT, f"{host} did not answer in time")
    assert time.monotonic() - began < 5


def test_a_tunnel_that_drips_is_late() -> None:
    proxied = """
import sys
from orchestrator.system.http import HttpClient, HttpError
try:
    HttpClient(deadline=0.5).request("GET", "https://registry.example/", headers={})
except HttpError as error:
    print(error.kind.value)
"""
    with dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000) as host:
        done = subprocess.run(
            [sys.executable, "-c", proxied],
            env={"HTTPS_PROXY": f"http://{host}", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    assert done.stdout == "timeout\n"


def test_what_comes_in_time_is_not_late_however_long_it_takes_to_come_again() -> None:
    with (
        serving(answering(Reply(200, b"x"))) as server,
        closing(HttpClient(1, deadline=0.3)) as http,
    ):
        http.request("GET", server.url, headers={})
        time.sleep(0.7)  # a connection that was kept is nobody's exchange
        answer = http.request("GET", server.url, headers={})
    assert (answer.body, server.connections) == (b"x", 1)


def test_a_head_has_the_length_and_no_body(http: HttpClient) -> None:
    with serving(answering(Reply(200, b"12345"))) as server:
        answer = http.request("HEAD", server.url, headers={})

    assert (answer.body, answer.headers["content-length"]) == (b"", "5")


def test_a_connection_serves_many_requests(http: HttpClient) -> None:
    with serving(answering(Reply(200, b"x"))) as server:
        for method in ("HEAD", "GET", "HEAD"):
            http.request(method, server.url, headers={})

    assert (len(server.requests), server.connections) == (3, 1)


def test_many_threads_share_the_connections(http: HttpClient) -> None:
    def echo(request: Request) -> Reply:
        return Reply(200, request.path.encode())

    with serving(echo) as server, ThreadPoolExecutor(16) as pool:
        paths = [f"/{number}" for number in range(200)]
        bodies = list(
            pool.map(lambda path: http.request("GET", server.url + path, headers={}).body, paths)
        )

    assert bodies == [path.encode() for path in paths]
    assert server.connections <= 4


def test_a_redirect_is_an_answer_and_is_not_followed(http: HttpClient) -> None:
    with serving(answering(Reply())) as other:
        moved = Reply(302, b"moved", {"Location": f"{other.url}/there"})
        with serving(answering(moved)) as server:
            answer = http.request("GET", server.url, headers={})

    assert (answer.status, answer.body) == (302, b"moved")
    assert other.requests == []


def test_a_redirect_to_nonsense_is_an_answer_too(http: HttpClient) -> None:
    with serving(answering(Reply(301, b"", {"Location": "http://[nonsense"}))) as server:
        answer = http.request("GET", server.url, headers={})

    assert redirect_of(server.url, answer) == ""


def test_cookies_are_not_kept(http: HttpClient) -> None:
    with serving(answering(Reply(200, b"", {"Set-Cookie": "a=b; Path=/"}))) as server:
        http.request("GET", server.url, headers={})
        http.request("GET", server.url, headers={})

    assert "cookie" not in server.requests[1].headers


def test_nobody_listens(http: HttpClient) -> None:
    with dead_url() as url:
        error = error_of(http, url)

    assert error.kind is ErrorKind.UNREACHABLE
    assert str(error) == f"{host_of(url)} can't be reached: Connection refused"


def test_a_server_that_says_nothing_is_given_up() -> None:
    with (
        serving(answering(Reply(is_silent=True))) as server,
        closing(HttpClient(1, read_timeout=0.05)) as http,
    ):
        error = error_of(http, server.url)

    assert error.kind is ErrorKind.TIMEOUT
    assert str(error) == f"{server.host} did not answer in time"


def test_a_body_that_ends_early_is_no_answer(http: HttpClient) -> None:
    with serving(answering(Reply(200, b"half", promised=100))) as server:
        error = error_of(http, server.url)

    assert error.kind is ErrorKind.UNREACHABLE


@pytest.mark.parametrize(
    "url", ["http://[nonsense", "ftp://127.0.0.1", "http://", "127.0.0.1/x", "http://127.0.0.1:x"]
)
def test_an_address_that_is_none_is_unreachable(http: HttpClient, url: str) -> None:
    assert error_of(http, url).kind is ErrorKind.UNREACHABLE


def test_a_certificate_is_believed_only_where_its_authority_is_known(
    http: HttpClient, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path)
    with serving(answering(Reply()), certificate=(made.certificate, made.key)) as server:
        unknown = error_of(http, server.url)
        known = http.request("GET", server.url, headers={}, verify=made.authority)
        unverified = http.request("GET", server.url, headers={}, verify=False)
        still_unknown = error_of(http, server.url)

    assert (known.status, unverified.status) == (200, 200)
    assert unknown.kind is ErrorKind.TLS
    assert str(unknown).startswith(f"{server.host} can't be spoken to by TLS: ")
    assert "certificate" in str(unknown)
    assert still_unknown.kind is ErrorKind.TLS


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS, which sends tickets unasked"])
def test_what_is_asked_at_once_goes_by_connections_that_were_opened_ahead(
    http: HttpClient, tmp_path: Path, is_tls: bool
) -> None:
    made = make_certificate(tmp_path)
    together = threading.Barrier(3, timeout=10)

    def answer(_: Request) -> Reply:
        together.wait()
        return Reply()

    with serving(answer, certificate=(made.certificate, made.key) if is_tls else None) as server:
        for opening in http.open_ahead(server.url, 3, verify=False):
            opening.join(10)
        with ThreadPoolExecutor(3) as threads:
            asked = [
                threads.submit(http.request, "GET", server.url, headers={}, verify=False)
                for _ in range(3)
            ]
            assert [one.result().status for one in asked] == [200] * 3
        assert server.connections == 3, "the server has seen all of them by now"


def test_what_stands_in_the_way_of_a_connection_is_told_to_who_asks(http: HttpClient) -> None:
    with dead_url() as url:
        http.open_ahead(url, 2)
        assert error_of(http, url).kind is ErrorKind.UNREACHABLE


def test_an_expired_certificate_is_refused(http: HttpClient, tmp_path: Path) -> None:
    made = make_certificate(tmp_path, expired=True)
    with serving(answering(Reply()), certificate=(made.certificate, made.key)) as server:
        error = error_of(http, server.url, verify=made.authority)

    assert error.kind is ErrorKind.TLS
    assert "expired" in str(error)


def test_a_file_of_authorities_that_is_not_there_is_a_fault_of_tls(
    http: HttpClient, tmp_path: Path
) -> None:
    error = error_of(http, "https://127.0.0.1:1", verify=tmp_path / "none.pem")

    assert error.kind is ErrorKind.TLS


def test_tls_with_a_server_that_has_none_fails(http: HttpClient) -> None:
    with serving(answering(Reply())) as server:
        error = error_of(http, server.url.replace("http:", "https:"))

    assert error.kind is ErrorKind.TLS


def test_no_url_is_logged(http: HttpClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(answering(Reply(204, b"", {"Odd Header": "x"}))) as server:
        http.request("GET", f"{server.url}/{SECRET}", headers={})

    assert SECRET not in caplog.text


# The surroundings are read by requests in the process itself, hence a process for each.
ASK = """
import sys
from orchestrator.system.http import HttpClient
from orchestrator.errors import SyncerError
http = HttpClient()
try:
    print(http.request("GET", sys.argv[1], headers={}).status)
except SyncerError as error:
    print(error)
http.close()
"""


def asked_with(url: str, environ: Mapping[str, str]) -> str:
    command = [sys.executable, "-c", ASK, url]
    surroundings = {"PYTHONPATH": str(Path(__file__).parents[3]), **environ}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_netrc_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    with serving(answering(Reply())) as server:
        assert asked_with(server.url, {"HOME": str(tmp_path)}) == "200"

    assert "authorization" not in server.requests[0].headers


def test_what_the_system_trusts_is_trusted(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    with serving(answering(Reply()), certificate=(made.certificate, made.key)) as server:
        assert "certificate" in asked_with(server.url, {})
        assert asked_with(server.url, {"SSL_CERT_FILE": str(made.authority)}) == "200"
        assert asked_with(server.url, {"REQUESTS_CA_BUNDLE": str(made.authority)}) == "200"


def test_the_proxy_of_the_environment_is_used_but_not_to_this_machine() -> None:
    with serving(answering(Reply(202))) as proxy, serving(answering(Reply(200))) as server:
        with_login = proxy.url.replace("//", "//me:p%40ss@")
        environ = {"HTTP_PROXY": with_login, "http_proxy": with_login}
        assert asked_with("http://registry.example/", environ) == "202"
        assert asked_with(server.url, environ) == "200"

    assert [request.path for request in proxy.requests] == ["/"]
    assert proxy.requests[0].headers["host"] == "registry.example"
    assert (
        proxy.requests[0].headers["proxy-authorization"]
        == f"Basic {b64encode(b'me:p@ss').decode()}"
    )


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[bad"])
def test_where_a_proxy_can_not_be_spoken_to_nothing_is_opened_ahead(proxy: str) -> None:
    """Skopeo may get through by it: a run goes on."""
    code = (
        "from orchestrator.system.http import HttpClient\n"
        "print(HttpClient().open_ahead('https://registry.invalid', 2))"
    )
    surroundings = {"PYTHONPATH": str(ROOT), "HTTPS_PROXY": proxy}
    done = subprocess.run(
        [sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_what_no_proxy_names_is_reached_without_one() -> None:
    with serving(answering(Reply(202))) as proxy:
        environ = {"http_proxy": proxy.url, "no_proxy": ".invalid"}
        assert "can't be reached" in asked_with("http://registry.invalid/", environ)

    assert proxy.requests == []


def test_requests_is_not_imported_where_there_is_no_proxy() -> None:
    code = (
        "import sys, orchestrator.system.http as ours\n"
        "ours.HttpClient().request('GET', sys.argv[1], headers={})\n"
        "print('requests' in sys.modules)"
    )
    with serving(answering(Reply())) as server:
        command = [sys.executable, "-c", code, server.url]
        done = subprocess.run(
            command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("url", "location", "expected"),
    [
        pytest.param("https://h/a", "/b", "https://h/b", id="a path"),
        pytest.param("https://h:8443/a", "https://h:8443/b", "https://h:8443/b", id="same port"),
        pytest.param("http://h/a", "https://h/a", "https://h/a", id="http becomes https"),
        pytest.param("http://h/a", "https://h:443/a", "https://h:443/a", id="spelled out"),
        pytest.param("https://h/a", "http://h/a", "", id="https stays https"),
        pytest.param("https://h/a", "https://other/a", "", id="another host"),
        pytest.param("https://h/a", "//other/a", "", id="another host without a scheme"),
        pytest.param("https://h/a", "https://h:8443/a", "", id="another port"),
        pytest.param("https://h/a", "https://h@other/a", "", id="a host that looks like ours"),
        pytest.param("https://h/a", "file:///etc/passwd", "", id="a file"),
        pytest.param("https://h/a", "https://[h", "", id="nonsense"),
        pytest.param("https://h/a", "", "", id="nowhere"),
    ],
)
def test_only_redirects_on_the_same_host_lead_on(url: str, location: str, expected: str) -> None:
    assert redirect_of(url, Response(307, {"location": location})) == expected


def test_see_other_is_no_redirect_of_the_request() -> None:
    assert redirect_of("https://h/a", Response(303, {"location": "/b"})) == ""


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://open.feishu.cn/open-apis/x", "open.feishu.cn"),
        ("https://user:password@h:8443/x", "h:8443"),
        ("https://[::1]:80/x", "[::1]:80"),
        ("https://[nonsense", "a host that can't be read"),
    ],
)
def test_only_the_host_of_a_url_is_shown(url: str, host: str) -> None:
    assert host_of(url) == host
