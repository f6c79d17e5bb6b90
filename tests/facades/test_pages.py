"""The pages that say "change one line": what they show runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.stacks import RunningStack

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("page", ["use-openai-client.md", "use-replicate-client.md"])
def test_a_page_shows_what_works(
    stack: RunningStack, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (HOW_TO / page).read_text("utf-8"), re.S)
    room: dict[str, Any] = {}
    for block in blocks:
        if "videos" not in block:  # a film takes long
            exec(block.replace("http://127.0.0.1:8000", stack.url), room)
    room["client"].close() if page.startswith("use-openai") else room["client"]._client.close()
    with Image.open("lighthouse.png") as picture:
        assert picture.size == (256, 256)
