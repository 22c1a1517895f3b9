"""`syncer config`: every value with where it is from, and no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.config.keys import KEYS

if TYPE_CHECKING:
    from tests.support.runs import Site

SECRET = "the-secret-of-mine"


def test_each_value_is_told_with_its_place_and_no_secret_is(site: Site) -> None:
    secrets = {name: f"https://{SECRET}/{name}" for name, key in KEYS.items() if key.is_secret}
    del secrets["GHCR_TOKEN"]
    site.configure(RETRIES="7", ALIYUN_USERNAME="me")
    (site.folder / "targets.toml").write_text(
        "[targets.third]\nregistry='r.example.com'\nusername='me'\npassword='${PASS}'\njobs=3\n"
        "[sources.'quay.io']\nrequests_per_second=2.5\n"
        f"[[notify]]\nurl='https://chat.example/{SECRET}'\nsecret='{SECRET}-hook'\n"
    )
    environ = {**secrets, "JOBS": "5", "PASS": SECRET, "DOCKERHUB_USERNAME": "me"}
    outcome = site.run("config", "--output=json", environ=environ)
    assert outcome.status == 0, outcome.stderr
    found = {one["name"]: one for one in json.loads(outcome.stdout)["settings"]}
    assert set(KEYS) <= set(found)
    assert (found["JOBS"]["value"], found["JOBS"]["from"]) == ("5", "the environment's JOBS")
    assert found["RETRIES"]["value"] == "7"
    assert found["RETRIES"]["from"].endswith("config.env:4")
    assert (found["GHCR_TOKEN"]["is_set"], found["GHCR_TOKEN"]["from"]) == (False, "the default")
    assert (found["NAMING"]["value"], found["NAMING"]["from"]) == ("flat", "the default")
    assert found["[targets.third] jobs"]["value"] == "3"
    assert found['[sources."quay.io"] requests_per_second']["value"] == "2.5"
    assert found["[[notify]] 1 url"]["value"] == "chat.example"
    for name in (*secrets, "[targets.third] password", "[[notify]] 1 secret"):
        assert (found[name]["value"], found[name]["is_set"]) == (None, True)
    shown = site.run("config", environ=environ)
    assert SECRET not in outcome.stdout + shown.stdout + shown.stderr
    assert "***" in shown.stdout
    assert "config.env:4" in shown.stdout
