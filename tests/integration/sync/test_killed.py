"""A run that is killed at any instant: what stands then, and that the next run goes on.

With the relay and without it by turns. SOAK=1 takes 50 moments; without it there are a few.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

from demo.images import build_image
from tests.support.traces import has_ended, lacking, private_folders

if TYPE_CHECKING:
    from pathlib import Path

    from demo.images import Image
    from tests.support.runs import Site

IMAGES = 30
MOMENTS = 50 if os.environ.get("SOAK") else 6
LONGEST = 2.5 if os.environ.get("SOAK") else 1.2
SEED = 20
RELAYS = ("auto", "off")


def publish(site: Site, number: int, version: int) -> Image:
    image = build_image(files={"app": f"{number} {version}".encode()}, layers=[site.noise()])
    site.publish(image, f"app{number}:1")
    return image


def test_a_run_may_be_killed_at_any_moment(site: Site) -> None:
    chance = random.Random(SEED)  # noqa: S311  (the same moments each time)
    published = [[publish(site, number, 0)] for number in range(IMAGES)]
    site.list_images(*(site.source(f"app{number}:1") for number in range(IMAGES)))
    left: set[Path] = set()
    killed = dict.fromkeys(RELAYS, 0)
    for moment in range(1, MOMENTS + 1):
        environ = {"RELAY": RELAYS[moment % 2]}
        with site.running("batch", "--jobs=6", environ=environ) as run:
            time.sleep(chance.uniform(0.2, LONGEST))
            run.send(signal.SIGKILL)
            outcome = run.finish()
        assert outcome.status in (-signal.SIGKILL, 0), outcome.stderr
        killed[environ["RELAY"]] += outcome.status != 0
        assert has_ended(site), "a program outlived its run"
        for number in range(IMAGES):
            found = site.mirrored(f"app{number}:1")
            known = [None, *(one.digest for one in published[number])]
            assert found in known
        for number in range(moment % 3, IMAGES, 3):
            assert lacking(site.mirror.url, site.mirrored_name(f"app{number}"), "1") == []
        now = private_folders(site)
        assert len(now) <= 1, "what a killed run left is gone once another one has begun"
        left |= now
        for number in range(moment % 3, IMAGES, 3):
            published[number].append(publish(site, number, moment))
    last = site.run("batch")
    assert last.status == 0, last.stderr
    wanted = [one[-1].digest for one in published]
    assert [site.mirrored(f"app{number}:1") for number in range(IMAGES)] == wanted
    assert not private_folders(site)
    assert list(site.temporary.iterdir()) == []
    times = f"{sum(killed.values())} of {MOMENTS} times (by RELAY: {killed})"
    print(f"killed {times}, {len(left)} folders healed, 0 tags incomplete")
    assert all(killed.values())
