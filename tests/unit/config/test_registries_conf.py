from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.registries_conf import RegistriesConf, read_registries_conf, usual_paths
from orchestrator.oci.reference import Reference

ELSEWHERE = "registries.conf leads it elsewhere"


def reason_in(folder: Path, text: str, image: str) -> str:
    path = folder / "registries.conf"
    path.write_text(text, encoding="utf-8")
    return read_registries_conf([path]).reason_against(Reference.parse(image))


@pytest.mark.parametrize(
    ("table", "image", "is_led"),
    [
        pytest.param('location = "h.io"', "h.io/a", False, id="nothing but a name"),
        pytest.param('prefix = "h.io"\nlocation = "h.io"', "h.io/a", False, id="the same place"),
        pytest.param('prefix = "h.io"\nlocation = "m.io"', "h.io/a", True, id="another place"),
        pytest.param('prefix = "h.io"\nlocation = "m.io"', "m.io/a", False, id="the other place"),
        pytest.param('location = "h.io"\nblocked = true', "h.io/a", True, id="blocked"),
        pytest.param('location = "h.io"\nblocked = false', "h.io/a", False, id="not blocked"),
        pytest.param('location = "h.io"\ninsecure = true', "h.io/a", True, id="insecure"),
        pytest.param(
            'location = "h.io"\n[[registry.mirror]]\nlocation = "m.io"',
            "h.io/a",
            True,
            id="a mirror",
        ),
        pytest.param('location = "docker.io"\nblocked = true', "redis", True, id="Docker Hub"),
        pytest.param('location = "h.io"\nblocked = true', "h.io.x/a", False, id="half a host"),
        pytest.param('location = "h.io"\nblocked = true', "h.io:1/a", True, id="any port"),
        pytest.param('location = "h.io:1"\nblocked = true', "h.io:1/a", True, id="its port"),
        pytest.param('location = "h.io:1"\nblocked = true', "h.io:12/a", False, id="half a port"),
        pytest.param('location = "h.io:1"\nblocked = true', "h.io/a", False, id="no port"),
        pytest.param(
            'prefix = "h.io"\nlocation = "m.io"', "h.io:1/a", True, id="another place for a port"
        ),
        pytest.param('location = "h.io/a"\nblocked = true', "h.io:1/a", False, id="path and port"),
        pytest.param('location = "h.io/a"\nblocked = true', "h.io/a/b", True, id="a namespace"),
        pytest.param('location = "h.io/a"\nblocked = true', "h.io/ab", False, id="half a path"),
        pytest.param('location = "h.io/a:1"\nblocked = true', "h.io/a:2", True, id="a tag"),
        pytest.param('prefix = "*.h.io"\nblocked = true', "x.h.io/a", True, id="a subdomain"),
        pytest.param('prefix = "*.h.io"\nblocked = true', "x.h.io:5/a", True, id="with a port"),
        pytest.param('prefix = "*.h.io"\nblocked = true', "h.io/a", False, id="the domain itself"),
        pytest.param('prefix = "*.h.io:5"\nblocked = true', "x.h.io:5/a", True, id="its own port"),
        pytest.param('prefix = "*.h.io:5"\nblocked = true', "x.h.io/a", False, id="no port of it"),
        pytest.param('prefix = "*.h.io"\nblocked = true', "x.h.io.y/a", False, id="half a domain"),
        pytest.param('prefix = "*.h.io/n"\nblocked = true', "x.h.io/n/a", True, id="with a path"),
        pytest.param('prefix = "*.h.io/n"\nblocked = true', "x.h.io/m", False, id="another path"),
        pytest.param('prefix = "*.H.io"\nblocked = true', "x.h.io/a", True, id="its capitals"),
        pytest.param('prefix = "*.h.io"\nblocked = true', "y.io/x.h.io", False, id="in a path"),
        pytest.param('prefix = "H.io"\nblocked = true', "h.io/a", True, id="capitals"),
    ],
)
def test_what_may_lie_elsewhere_is_left_to_skopeo(
    table: str, image: str, is_led: bool, tmp_path: Path
) -> None:
    assert reason_in(tmp_path, f"[[registry]]\n{table}\n", image) == (ELSEWHERE if is_led else "")


@pytest.mark.parametrize("kind", ["insecure", "block"])
def test_the_old_format_is_read_too(kind: str, tmp_path: Path) -> None:
    text = f'[registries.{kind}]\nregistries = ["h.io"]\n'

    assert reason_in(tmp_path, text, "h.io/a") == ELSEWHERE
    assert reason_in(tmp_path, text, "g.io/a") == ""


def test_the_usual_file_says_nothing(tmp_path: Path) -> None:
    text = 'unqualified-search-registries = ["docker.io"]\n[aliases]\n"redis" = "docker.io/redis"\n'

    assert reason_in(tmp_path, text, "redis") == ""


def test_helpers_keep_logins_that_we_can_not_know(tmp_path: Path) -> None:
    text = 'credential-helpers = ["containers-auth.json", "secretservice"]\n'

    assert reason_in(tmp_path, text, "h.io/a").endswith("names credential helpers")
    assert reason_in(tmp_path, 'credential-helpers = ["containers-auth.json"]', "h.io/a") == ""


@pytest.mark.parametrize("text", ["[[registry", "registry = 1\n", "registries = 1\n", "\0"])
def test_a_file_that_makes_no_sense_is_harmless(text: str, tmp_path: Path) -> None:
    assert reason_in(tmp_path, text, "h.io/a") in ("", f"{tmp_path}/registries.conf can't be read")


def test_a_broken_file_leaves_everything_to_skopeo(tmp_path: Path) -> None:
    assert reason_in(tmp_path, "[[registry", "h.io/a").endswith("can't be read")


def test_folders_are_read_and_what_is_missing_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "registries.conf.d"
    folder.mkdir()
    (folder / "1.conf").write_text('[[registry]]\nlocation = "h.io"\nblocked = true\n')
    (folder / "2.toml").write_text('[[registry]]\nlocation = "g.io"\nblocked = true\n')

    assert read_registries_conf([folder, tmp_path / "none"]) == RegistriesConf(("h.io",))


def test_every_place_where_some_skopeo_looks_is_looked_at() -> None:
    paths = usual_paths({"HOME": "/h", "XDG_CONFIG_HOME": "/x", "CONTAINERS_REGISTRIES_CONF": "/r"})

    assert paths[0] == Path("/r")
    assert {
        Path("/etc/containers/registries.conf"),
        Path("/etc/containers/registries.conf.d"),
        Path("/h/.config/containers/registries.conf"),
        Path("/x/containers/registries.conf.d"),
    } <= set(paths)
    assert all("containers" in path.parts for path in usual_paths({}))
