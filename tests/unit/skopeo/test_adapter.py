"""The skopeo adapter: the arguments it makes, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import (
    ErrorKind,
    FormatError,
    ImageError,
    Side,
    ToolMissingError,
)
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.responses import Inconclusive, WriteRefused
from orchestrator.skopeo.adapter import Skopeo
from orchestrator.skopeo.arguments import (
    Connection,
    CopyRequest,
    copy_argv,
    inspect_argv,
    push_argv,
)
from orchestrator.skopeo.policy import SignaturePolicy
from orchestrator.system.program import FinishedProgram, Movement, ProgramRunner, Question

RAW = b'{"schemaVersion":2}'
DIGEST = digest_of(RAW)
SOURCE = Reference.parse("quay.io/coreos/etcd:v3").at(DIGEST)
DESTINATION = Reference.parse("127.0.0.1:5000/mirrors/etcd:v3")
AUTH = "--authfile=/private/auth.json"
ARM = Platform("linux", "arm", "v7")
AMD = Platform("linux", "amd64")


def connection(*insecure: str, certificates: str = "") -> Connection:
    folder = Path(certificates) if certificates else None
    return Connection(
        authfile=Path("/private/auth.json"),
        is_insecure=insecure.__contains__,
        certificates=lambda registry: folder if registry == "127.0.0.1:5000" else None,
        login_of=lambda registry: f"your login to {registry}",
    )


COPY = CopyRequest(SOURCE, DESTINATION, AMD)
FROM, TO = f"docker://quay.io/coreos/etcd@{DIGEST}", "docker://127.0.0.1:5000/mirrors/etcd:v3"


@pytest.mark.parametrize(
    ("request_", "how", "argv"),
    [
        pytest.param(
            COPY,
            connection(),
            (
                "--override-os=linux",
                "--override-arch=amd64",
                "--debug",
                "copy",
                "--preserve-digests",
                AUTH,
                FROM,
                TO,
            ),
            id="one platform",
        ),
        pytest.param(
            replace(COPY, platform=ARM),
            connection(),
            (
                "--override-os=linux",
                "--override-arch=arm",
                "--override-variant=v7",
                "--debug",
                "copy",
                "--preserve-digests",
                AUTH,
                FROM,
                TO,
            ),
            id="a variant",
        ),
        pytest.param(
            replace(COPY, platform=None),
            connection(),
            ("--debug", "copy", "--all", "--preserve-digests", AUTH, FROM, TO),
            id="all",
        ),
        pytest.param(
            replace(COPY, platform=None, keeps_digests=False),
            connection(),
            ("--debug", "copy", "--all", AUTH, FROM, TO),
            id="converted",
        ),
        pytest.param(
            replace(COPY, platform=None),
            connection("quay.io", "127.0.0.1:5000"),
            (
                "--debug",
                "copy",
                "--all",
                "--preserve-digests",
                AUTH,
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
                FROM,
                TO,
            ),
            id="both insecure",
        ),
        pytest.param(
            replace(COPY, platform=None),
            connection(certificates="/private/ca-x"),
            (
                "--debug",
                "copy",
                "--all",
                "--preserve-digests",
                AUTH,
                "--dest-cert-dir=/private/ca-x",
                FROM,
                TO,
            ),
            id="a CA of its own",
        ),
    ],
)
def test_a_copy_says_all_that_skopeo_would_guess(
    request_: CopyRequest, how: Connection, argv: tuple[str, ...]
) -> None:
    assert copy_argv(request_, how) == argv


def test_a_policy_judges_images_and_what_is_signed_about_them_goes_unjudged() -> None:
    policy = SignaturePolicy(Path("/home/me/policy.json"), {})
    how = replace(connection(), policy=policy)
    judged = copy_argv(COPY, how)
    assert judged.index("--policy=/home/me/policy.json") < judged.index("copy")
    assert "--remove-signatures" in judged
    assert copy_argv(replace(COPY, is_image=False), how) == copy_argv(COPY, connection())


@pytest.mark.parametrize(
    ("options", "image", "how", "argv"),
    [
        pytest.param(
            ("--raw",),
            "redis:7",
            connection(),
            ("inspect", "--raw", AUTH, "docker://docker.io/library/redis:7"),
            id="by tag",
        ),
        pytest.param(
            ("--config", "--raw"),
            f"redis:7@{DIGEST}",
            connection(),
            ("inspect", "--config", "--raw", AUTH, f"docker://docker.io/library/redis@{DIGEST}"),
            id="the digest alone, since skopeo refuses both",
        ),
        pytest.param(
            ("--raw",),
            "127.0.0.1:5000/x:1",
            connection("127.0.0.1:5000", certificates="/c"),
            (
                "inspect",
                "--raw",
                AUTH,
                "--cert-dir=/c",
                "--tls-verify=false",
                "docker://127.0.0.1:5000/x:1",
            ),
            id="insecure, with a CA",
        ),
    ],
)
def test_a_question_names_what_it_is_about(
    options: tuple[str, ...], image: str, how: Connection, argv: tuple[str, ...]
) -> None:
    assert inspect_argv(options, Reference.parse(image), how) == argv


def test_an_index_is_pushed_alone_and_as_it_is() -> None:
    assert push_argv("/private/x", DESTINATION, connection("127.0.0.1:5000")) == (
        "--debug",
        "copy",
        "--multi-arch=index-only",
        "--preserve-digests",
        AUTH,
        "--dest-tls-verify=false",
        "dir:/private/x",
        TO,
    )


OPTIONS = frozenset(
    "--override-os --override-arch --override-variant --debug --all --preserve-digests --format "
    "--authfile --src-tls-verify --dest-tls-verify --tls-verify --raw --src-cert-dir "
    "--dest-cert-dir --cert-dir --multi-arch".split()
)
WRITTEN = st.text(st.sampled_from("-a=:/@. _0\n'\"$;`!\u2010é"), min_size=1, max_size=24)
OPTION_LIKE = WRITTEN.map(lambda text: f"--authfile={text}")


def options_of(argv: Sequence[str]) -> set[str]:
    return {word.partition("=")[0] for word in argv if word.startswith("-")}


@given(st.one_of(WRITTEN, OPTION_LIKE), st.one_of(WRITTEN, OPTION_LIKE))
def test_nothing_a_user_writes_becomes_an_option(image: str, platform: str) -> None:
    try:
        reference = Reference.parse(image)
        wanted = Platform.parse(platform) if platform.isalnum() else AMD
    except FormatError:
        return
    how = connection(reference.registry)
    for argv in (
        copy_argv(CopyRequest(reference, reference, wanted), how),
        inspect_argv(("--raw",), reference, how),
        push_argv("/x", reference, how),
    ):
        assert options_of(argv) <= OPTIONS
        assert all("\n" not in word and "\0" not in word for word in argv)
        assert argv[-1].startswith("docker://")


@given(st.text(st.sampled_from("abz09-._/=:"), min_size=1, max_size=20))
def test_no_platform_becomes_an_option(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except FormatError:
        return
    argv = copy_argv(replace(COPY, platform=platform), connection())
    assert options_of(argv) <= OPTIONS
    assert argv[-2:] == (FROM, TO)


VERSION = FinishedProgram(0, b"skopeo version 1.9.3 commit: \n", "")


NOBODY_ASKS = Movement()


@dataclass
class Scripted(ProgramRunner):
    """Answers as skopeo would, and writes down what it was asked."""

    answer: FinishedProgram
    version: FinishedProgram = VERSION
    has_skopeo: bool = True
    asked: list[tuple[str, ...]] = field(default_factory=list)
    patience: list[float] = field(default_factory=list)

    def find(self, name: str, *, hint: str) -> str:
        if not self.has_skopeo:
            raise ToolMissingError(f"{name} is not installed", hint=hint)
        return f"/usr/bin/{name}"

    def run(
        self,
        argv: Sequence[str],
        *,
        stall_timeout: float,
        size: int | None = 0,
        on_stderr_line: Callable[[bytes], None] | None = None,
        movement: Movement = NOBODY_ASKS,
        question: Question | None = None,
    ) -> FinishedProgram:
        path, *words = argv
        assert path == "/usr/bin/skopeo"
        if words == ["--version"]:
            return self.version
        self.asked.append(tuple(words))
        self.patience.append(stall_timeout)
        del size, question
        movement.on_moved(2048)
        if on_stderr_line:
            for line in self.answer.stderr.splitlines():
                on_stderr_line(line.encode())
        return self.answer


def said(output: bytes = b"", *, errors: str = "", status: int = 0) -> FinishedProgram:
    return FinishedProgram(status, output, errors)


def refused(message: str) -> FinishedProgram:
    return said(errors=f'time="x" level=fatal msg="{message}"\n', status=1)


def skopeo(answer: FinishedProgram | Scripted) -> Skopeo:
    programs = answer if isinstance(answer, Scripted) else Scripted(answer)
    return Skopeo(programs, connection())


@pytest.mark.parametrize(
    ("output", "version"),
    [
        pytest.param(b"skopeo version 1.4.1\n", "1.4.1", id="Ubuntu 22.04"),
        pytest.param(b"skopeo version 1.9.3 commit: \n", "1.9.3", id="Debian 12"),
        pytest.param(b"skopeo version 1.13.3\n", "1.13.3", id="Ubuntu 24.04"),
        pytest.param(b"skopeo version 1.21.0-dev\n", "1.21.0", id="Ubuntu 26.04"),
        pytest.param(b"skopeo version 2.0.0\n", "2.0.0", id="some day"),
    ],
)
def test_a_skopeo_that_is_new_enough_is_taken(output: bytes, version: str) -> None:
    asked = skopeo(Scripted(said(RAW), version=said(output)))
    assert asked.used_version == ""
    asked.read_manifest(SOURCE)
    assert asked.used_version == version


@pytest.mark.parametrize(
    ("output", "message"),
    [
        pytest.param(b"skopeo version 1.2.3\n", "skopeo 1.2.3 is too old: 1.4", id="old"),
        pytest.param(b"skopeo version 1.3.99\n", "1.3.99 is too old", id="just"),
        pytest.param(b"segfault", "does not say which version", id="broken"),
    ],
)
def test_a_skopeo_that_will_not_do_is_asked_nothing(output: bytes, message: str) -> None:
    programs = Scripted(said(RAW), version=said(output))
    with pytest.raises(ToolMissingError, match=message) as caught:
        skopeo(programs).read_manifest(SOURCE)
    assert "bin/install-tools" in caught.value.hint
    assert programs.asked == []


def test_one_that_keeps_no_digests_pushes_nowhere_by_itself() -> None:
    programs = Scripted(said(), version=said(b"skopeo version 1.9.2\n"))
    request = CopyRequest(SOURCE, DESTINATION, AMD)
    with pytest.raises(ImageError, match=r"skopeo 1\.9\.2 is too old to push to") as caught:
        skopeo(programs).copy(request)
    assert "install skopeo 1.9.3 or newer; or set RELAY=auto" in caught.value.hint
    assert programs.asked == []


def test_without_skopeo_it_is_said_how_to_get_it() -> None:
    with pytest.raises(ToolMissingError, match="is not installed") as caught:
        skopeo(Scripted(said(), has_skopeo=False))
    assert "bin/install-tools" in caught.value.hint


def test_a_manifest_is_its_raw_bytes() -> None:
    assert skopeo(said(RAW)).read_manifest(SOURCE) == RAW
    assert skopeo(said(RAW)).read_manifest(DESTINATION) == RAW


def test_what_the_registry_does_not_have_is_none() -> None:
    asked = skopeo(refused("reading manifest v3 in x: manifest unknown"))
    assert asked.read_manifest(DESTINATION, side=Side.DESTINATION) is None
    assert asked.read_digest(DESTINATION, side=Side.DESTINATION) is None


def test_a_digest_is_that_of_the_raw_bytes_and_not_what_skopeo_calls_digest() -> None:
    assert skopeo(said(RAW)).read_digest(DESTINATION) == digest_of(RAW)


def test_skopeo_lists_no_referrers_and_is_not_started_for_them() -> None:
    programs = Scripted(said(RAW))
    assert skopeo(programs).read_referrers(SOURCE) is None
    assert programs.asked == []


def test_a_config_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ImageError) as caught:
        skopeo(refused("reading manifest v3 in x: manifest unknown")).read_config(SOURCE)
    assert caught.value.kind is ErrorKind.NOT_FOUND


def test_other_content_than_was_asked_for_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        skopeo(said(RAW + b" ")).read_manifest(SOURCE)
    assert caught.value.kind is ErrorKind.DIGEST_MISMATCH


def test_a_copy_says_which_blobs_travelled() -> None:
    blobs = [f"sha256:{digit * 64}" for digit in "ab"]
    errors = "".join(f'level=debug msg="Upload of layer {blob} complete"\n' for blob in blobs)
    under_test = skopeo(said(errors=errors))
    heard: list[tuple[str, Digest]] = []
    under_test.listen(lambda registry, digest: heard.append((registry, digest)), Watcher())
    assert under_test.copy(COPY) == tuple(map(Digest, blobs))
    assert heard == [(DESTINATION.registry, Digest(blob)) for blob in blobs]


class Watcher:
    """Writes down what it is told of copies."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def moved(self, destination: str, count: int) -> None:
        self.told.append((destination, count))

    def was_there(self, destination: str, digest: str) -> None:
        self.told.append((destination, digest))


def test_a_copy_says_how_far_it_is_and_what_need_not_travel() -> None:
    blob = f"sha256:{'a' * 64}"
    watcher = Watcher()
    line = f'level=debug msg="Skipping blob {blob} (already present):"\n'
    under_test = skopeo(said(errors=line))
    under_test.listen(lambda _registry, _digest: None, watcher)
    under_test.copy(COPY)
    to = str(COPY.destination)
    assert watcher.told == [(to, 1024), (to, blob), (to, 0)], "what is read and written counts once"


def test_a_copy_is_given_the_users_patience() -> None:
    programs = Scripted(said())
    Skopeo(programs, connection(), patience=7).copy(COPY)
    assert programs.patience == [7]


@pytest.mark.parametrize(
    ("message", "registry"),
    [
        pytest.param("initializing source docker://x: EOF", "quay.io", id="source"),
        pytest.param("writing manifest: EOF", "127.0.0.1:5000", id="destination"),
    ],
)
def test_a_copy_that_failed_names_the_end_that_did(message: str, registry: str) -> None:
    with pytest.raises(ImageError) as caught:
        skopeo(refused(message)).copy(COPY)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.UNREACHABLE, registry)


def test_a_stall_is_a_passing_fault() -> None:
    with pytest.raises(ImageError) as caught:
        skopeo(replace(said(status=-15), has_stalled=True)).copy(COPY)
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert caught.value.is_transient
    assert "STALL_TIMEOUT" in caught.value.hint


def test_a_death_without_a_word_is_told_by_its_status() -> None:
    with pytest.raises(ImageError, match="it ended with status -9") as caught:
        skopeo(said(status=-9)).read_manifest(SOURCE)
    assert caught.value.kind is ErrorKind.TOOL


def test_an_index_is_handed_over_in_a_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    private = replace(connection(), authfile=tmp_path / "auth.json")
    programs = Scripted(said())
    Skopeo(programs, private).push_manifest(RAW, DESTINATION)
    (argv,) = programs.asked
    assert argv[-2].startswith(f"dir:{tmp_path}")
    assert argv[-1] == TO
    assert list(tmp_path.iterdir()) == []
    refusing = Scripted(refused("writing manifest: manifest blob unknown: blob unknown"))
    with pytest.raises(ImageError) as caught:
        Skopeo(refusing, private).push_manifest(RAW, DESTINATION)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.BAD_MANIFEST, "127.0.0.1:5000")


ODD = b'{"schemaVersion": 2, "manifests": [{"artifactType": "application/x"}]}'


@pytest.mark.parametrize(
    ("raw", "answer", "starts"),
    [
        pytest.param(ODD, None, False, id="keys that skopeo loses"),
        pytest.param(ODD.replace(b"artifactType", b"data"), None, False, id="data"),
        pytest.param(ODD, Inconclusive("no way"), True, id="no way over HTTP"),
        pytest.param(ODD.replace(b"artifactType", b"annotations"), None, True, id="no such keys"),
    ],
)
def test_an_index_that_skopeo_would_spoil_is_put_past_it(
    tmp_path: Path, raw: bytes, answer: Inconclusive | None, starts: bool
) -> None:
    private = replace(connection(), authfile=tmp_path / "auth.json")
    programs = Scripted(said())
    written = []

    def put(index: bytes, destination: Reference) -> Inconclusive | None:
        written.append((index, destination))
        return answer

    Skopeo(programs, private, put_index=put).push_manifest(raw, DESTINATION)
    assert bool(programs.asked) is starts
    if not starts:
        assert written == [(raw, DESTINATION)]


def test_what_is_refused_past_skopeo_is_understood() -> None:
    asked = Skopeo(
        Scripted(said()),
        connection(),
        put_index=lambda _raw, _to: WriteRefused("denied: not you"),
    )
    with pytest.raises(ImageError) as caught:
        asked.push_manifest(ODD, DESTINATION)
    assert (caught.value.kind, caught.value.registry) == (ErrorKind.DENIED, "127.0.0.1:5000")
