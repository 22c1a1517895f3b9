"""Original names pulled through `syncer serve`, from a registry that wants a login.

SOAK=1 pulls all of them by skopeo and crane, and 50 at once of 100 MB each; without it a few, and
less.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from demo.images import MIB, build_image, noise_layer, push
from demo.registry import MANIFEST_TYPES, Login, Registry, RegistryOptions
from tests.support.fronts import Front, front
from tests.support.loopback import Reply, Request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.runs import Site

IS_LONG = bool(os.environ.get("SOAK"))
LOGIN = Login("someone", "s3cret-of-the-mirror")
BIG = 100 * MIB if IS_LONG else 2 * MIB
AT_ONCE = 50
MOST_MEMORY = 100 * MIB
NAMES = {
    **{f"docker.io/library/image{n}:1.{n}": f"image{n}:1.{n}" for n in range(7)},
    **{f"quay.io/org/image{n}:v{n}": f"quay-io_org_image{n}:v{n}" for n in range(7)},
    **{f"ghcr.io/org/deep/image{n}:v{n}": f"ghcr-io_org_deep_image{n}:v{n}" for n in range(5)},
    "docker.io/someone/own:2": "chosen:stable",
}
"""Where each of 20 images is in the mirror; the last one by a line's own name."""

LINES = (*list(NAMES)[:3], "someone/own:2 --name=chosen:stable", "big")


@pytest.fixture(scope="module")
def mirror() -> Iterator[Registry]:
    with Registry(RegistryOptions(login=LOGIN)) as registry:
        yield registry


@pytest.fixture(scope="module")
def digests(mirror: Registry) -> dict[str, str]:
    """What the mirror has, by its original name."""
    return {
        original: push(
            mirror.url,
            f"ns/{there.partition(':')[0]}",
            there.partition(":")[2],
            build_image(files={"name": original.encode()}),
            auth=LOGIN,
        )
        for original, there in NAMES.items()
    }


@pytest.fixture(scope="module")
def served(mirror: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    config = {
        "ALIYUN_REGISTRY": mirror.host,
        "ALIYUN_NAMESPACE": "ns",
        "ALIYUN_USERNAME": LOGIN.user,
        "ALIYUN_PASSWORD": LOGIN.password,
    }
    with front(tmp_path_factory.mktemp("front"), config, *LINES) as running:
        yield running


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(
        url, headers={"Accept": ", ".join(MANIFEST_TYPES), **headers}, timeout=30, stream=False
    )


def paths_of(original: str) -> tuple[str, str]:
    """The path of a pull, and its query, as containerd asks."""
    registry, _, rest = original.partition("/")
    return f"/v2/{rest.rpartition(':')[0]}", f"?ns={registry}"


def test_twenty_images_are_pulled_as_containerd_does(
    served: Front, digests: dict[str, str]
) -> None:
    assert len(digests) == 20
    for original, digest in digests.items():
        path, query = paths_of(original)
        tag = original.rpartition(":")[2]
        head = requests.head(f"{served.url}{path}/manifests/{tag}{query}", timeout=30)
        assert (head.status_code, head.headers["Docker-Content-Digest"]) == (200, digest), original
        manifest = get(f"{served.url}{path}/manifests/{digest}{query}")
        assert f"sha256:{hashlib.sha256(manifest.content).hexdigest()}" == digest
        assert manifest.headers["Content-Type"] == json.loads(manifest.content)["mediaType"]
        for blob in (manifest.json()["config"], *manifest.json()["layers"]):
            content = get(f"{served.url}{path}/blobs/{blob['digest']}{query}").content
            assert f"sha256:{hashlib.sha256(content).hexdigest()}" == blob["digest"]


def registries_conf(served: Front, folder: Path) -> Path:
    """As docs/serve.md has it for podman, and for skopeo."""
    blocks = (
        f'[[registry]]\nprefix = "{name}"\nlocation = "{name}"\n'
        f'[[registry.mirror]]\nlocation = "{served.host}/{name}"\ninsecure = true\n'
        for name in ("docker.io", "quay.io", "ghcr.io")
    )
    path = folder / "registries.conf"
    path.write_text("\n".join(blocks), encoding="utf-8")
    return path


def test_skopeo_pulls_original_names(
    served: Front, digests: dict[str, str], tmp_path: Path
) -> None:
    conf = registries_conf(served, tmp_path)
    for number, (original, digest) in enumerate(digests.items()):
        if not IS_LONG and number % 7:
            continue
        folder = tmp_path / str(number)
        command = ["skopeo", "--registries-conf", str(conf), "copy", "--quiet"]
        done = subprocess.run(
            [*command, f"docker://{original}", f"dir:{folder}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        raw = (folder / "manifest.json").read_bytes()
        assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == digest


@pytest.mark.skipif(not shutil.which("crane"), reason="crane is not installed")
def test_crane_pulls_with_the_registry_before_the_name(
    served: Front, digests: dict[str, str], tmp_path: Path
) -> None:
    for number, (original, digest) in enumerate(digests.items()):
        if not IS_LONG and number % 7:
            continue
        command = ["crane", "pull", "--insecure", "--format=oci", f"{served.host}/{original}"]
        folder = tmp_path / str(number)
        subprocess.run([*command, str(folder)], check=True, capture_output=True, timeout=60)
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        assert [one["digest"] for one in index["manifests"]] == [digest]


def test_what_is_not_mirrored_is_404_and_written_down_for_the_list(served: Front) -> None:
    for path in ("library/redis/manifests/7?ns=docker.io", "org/app/manifests/v1?ns=quay.io"):
        answer = get(f"{served.url}/v2/{path}")
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["code"] == "MANIFEST_UNKNOWN"
    lines = served.wished.read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["redis:7", "quay.io/org/app:v1"]


def test_a_part_of_a_blob_is_given(served: Front, digests: dict[str, str]) -> None:
    original, digest = next(iter(digests.items()))
    path, query = paths_of(original)
    config = get(f"{served.url}{path}/manifests/{digest}{query}").json()["config"]
    url = f"{served.url}{path}/blobs/{config['digest']}{query}"
    whole = get(url).content
    part = get(url, Range="bytes=5-9")
    assert (part.status_code, part.content) == (206, whole[5:10])
    assert part.headers["Content-Range"] == f"bytes 5-9/{len(whole)}"
    beyond = get(url, Range=f"bytes={len(whole) + 5}-")
    assert beyond.status_code == 416, beyond.text
    assert get(url, Range="bytes=0-1,3-4").content == whole


@pytest.mark.parametrize(
    ("listen", "hint"),
    [
        pytest.param("here", "write it as 127.0.0.1:5100", id="no address"),
        pytest.param("192.0.2.1:5100", "name an address of this machine", id="not this machine's"),
        pytest.param("", "another program has that port", id="taken"),
    ],
)
def test_an_address_that_will_not_do_is_said_with_what_to_do(
    served: Front, site: Site, listen: str, hint: str
) -> None:
    site.list_images("nginx:1")
    outcome = site.run("serve", f"--listen={listen or served.host}")
    assert outcome.status == 2
    assert hint in outcome.stderr


def test_it_says_that_it_is_well_and_no_secret(served: Front) -> None:
    health = get(f"{served.url}/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert get(f"{served.url}/v2/").status_code == 200
    assert LOGIN.password not in health.text


HOST = b"Host: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="post"),
        pytest.param(b"PUT /v2/a/manifests/1 HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="put"),
        pytest.param(b"DELETE /v2/a/manifests/1 HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="delete"),
        pytest.param(b"BREW /v2/ HTTP/1.1\r\n" + HOST + b"\r\n", 405, id="unknown method"),
        pytest.param(b"GET /v2/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="dots"),
        pytest.param(
            b"GET /v2/\xff\xfe/manifests/1 HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="bytes"
        ),
        pytest.param(b"GET //evil/v2/ HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="two slashes"),
        pytest.param(b"GET http://evil/v2/ HTTP/1.1\r\n" + HOST + b"\r\n", 404, id="as a proxy"),
        pytest.param(b"GET /v2/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, id="rebinding"),
        pytest.param(b"GET /v2/ HTTP/1.1\r\n\r\n", 421, id="no host"),
        pytest.param(
            b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", 400, id="body"
        ),
        pytest.param(
            b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="chunks",
        ),
        pytest.param(b"GET /v2/ HTTP/9.9\r\n" + HOST + b"\r\n", 505, id="version"),
        pytest.param(b"hello\r\n\r\n", 400, id="no request"),
        pytest.param(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, id="long line"),
        pytest.param(
            b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
            431,
            id="long header",
        ),
        pytest.param(
            b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", 431, id="many headers"
        ),
    ],
)
def test_hostile_requests_get_a_plain_answer(served: Front, request_: bytes, status: int) -> None:
    host, _, port = served.host.partition(":")
    with closing(socket.create_connection((host, int(port)), timeout=30)) as connection:
        connection.sendall(request_)
        answer = b""
        while b"\r\n\r\n" not in answer and (chunk := connection.recv(65536)):
            answer += chunk
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert get(f"{served.url}/healthz").status_code == 200


def test_a_redirect_of_the_mirror_is_the_clients_to_follow(tmp_path: Path) -> None:
    there = "https://store.example/blob?signed=yes"
    digest = f"sha256:{hashlib.sha256(b'blob').hexdigest()}"

    def redirecting(request: Request) -> Reply:
        is_blob = request.path == f"/v2/ns/app/blobs/{digest}"
        return Reply(307, headers={"Location": there}) if is_blob else Reply(200, b"{}")

    with serving(redirecting) as mirror:
        config = {"ALIYUN_REGISTRY": mirror.host, "ALIYUN_NAMESPACE": "ns"}
        with front(tmp_path / "front", config, "app:1") as running:
            answer = requests.get(
                f"{running.url}/v2/library/app/blobs/{digest}", timeout=30, allow_redirects=False
            )
    assert (answer.status_code, answer.headers["Location"]) == (307, there)


def test_a_mirror_that_fails_is_said_to_fail(tmp_path: Path) -> None:
    with serving(lambda _: Reply(503)) as mirror:
        config = {"ALIYUN_REGISTRY": mirror.host, "ALIYUN_NAMESPACE": "ns"}
        with front(tmp_path / "front", config, "app:1") as running:
            answer = get(f"{running.url}/v2/library/app/manifests/1")
            assert not running.wished.exists()
    assert answer.status_code == 502
    assert "answered 503" in answer.json()["errors"][0]["message"]


def test_many_pulls_at_once_take_little_memory(served: Front, mirror: Registry) -> None:
    layer = noise_layer(BIG, seed=7)
    push(mirror.url, "ns/big", "latest", build_image(layers=[layer]), auth=LOGIN)
    url = f"{served.url}/v2/library/big/blobs/{layer.blob.digest}"

    def pull(_: int) -> str:
        digest = hashlib.sha256()
        with requests.get(url, timeout=120, stream=True) as answer:
            assert answer.status_code == 200, answer.text
            for chunk in answer.iter_content(256 * 1024):
                digest.update(chunk)
        return f"sha256:{digest.hexdigest()}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert set(pool.map(pull, range(AT_ONCE))) == {layer.blob.digest}
    memory = served.most_memory()
    print(f"{AT_ONCE} pulls at once of {BIG // MIB} MiB: {memory / MIB:.0f} MiB at most")
    assert memory < MOST_MEMORY
