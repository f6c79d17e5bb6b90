"""The recipes of docs/how-to/webhooks.md accept what we sign, and nothing else."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import playwright
import pytest
from starlette.testclient import TestClient

from config.settings import Settings
from egress.signing import sign
from storage.webhooks.signing_secrets import new_secret

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "webhooks.md"
NODE = Path(playwright.__file__).parent / "driver" / "node"
SECRET, OLD_SECRET = new_secret(), new_secret()
BODY = json.dumps({"type": "job.completed", "data": {"id": "x", "status": "succeeded", "prompt": "ä"}})

Accepts = Callable[[str, Mapping[str, str]], bool]


def recipe(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert found
    return found[1]


def python_accepts(body: str, headers: Mapping[str, str]) -> bool:
    room: dict[str, Any] = {}
    exec(recipe("python").replace("whsec_...", SECRET), room)
    answer: httpx.Response = TestClient(room["app"]).post("/hook", content=body.encode(), headers=dict(headers))
    return answer.status_code == 204


def node_accepts(tmp_path: Path) -> Accepts:
    module = tmp_path / "verify.mjs"
    module.write_text(recipe("js"))
    script = tmp_path / "try.mjs"
    script.write_text(
        'import { verify } from "./verify.mjs"; const [secret, headers, body] = JSON.parse(process.argv[2]);'
        'if (verify(secret, headers, body).type !== "job.completed") process.exit(2);'
    )

    def accepts(body: str, headers: Mapping[str, str]) -> bool:
        given = json.dumps([SECRET, dict(headers), body])
        return subprocess.run([NODE, script, given], capture_output=True).returncode == 0

    return accepts


@pytest.fixture(params=["python", "js"])
def accepts(request: pytest.FixtureRequest, tmp_path: Path) -> Accepts:
    return python_accepts if request.param == "python" else node_accepts(tmp_path)


def test_a_recipe_accepts_what_is_signed_with_either_of_two_valid_secrets(accepts: Accepts) -> None:
    now = datetime.now(UTC)
    assert accepts(BODY, sign("an-id", BODY, [SECRET], now))
    assert accepts(BODY, sign("an-id", BODY, [OLD_SECRET, SECRET], now))


def test_a_recipe_refuses_what_is_altered_old_unsigned_or_signed_by_another(accepts: Accepts) -> None:
    now = datetime.now(UTC)
    signed = sign("an-id", BODY, [SECRET], now)
    assert not accepts(BODY.replace("succeeded", "failed"), signed)
    assert not accepts(BODY, signed | {"webhook-id": "another"})
    assert not accepts(BODY, sign("an-id", BODY, [OLD_SECRET], now))
    assert not accepts(BODY, sign("an-id", BODY, [SECRET], now - timedelta(minutes=10)))
    assert not accepts(BODY, {name: value for name, value in signed.items() if name != "webhook-signature"})


def test_the_waits_the_page_tells_are_those_of_the_settings() -> None:
    waits = Settings().webhook_waits
    assert list(waits[:8]) == [5, 30, 120, 600, 1800, 3600, 7200, 14400]
    assert set(waits[7:]) == {14400.0}
    assert f"{len(waits) + 1} tries in about a day" in PAGE.read_text("utf-8")
    assert 0.95 < sum(waits) / 86_400 < 1.05
