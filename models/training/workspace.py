"""Where training keeps what it has made so far, and when a stage may be skipped."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "models" / "weights" / "scenes"
CONTACT_SHEET = ROOT / "docs" / "images" / "contact-sheet.png"


def find_workspace() -> Path:
    """The checkpoint folder: `SAFELIGHT_TRAINING_DIR` or a folder in the user's cache; made if absent."""
    default = Path.home() / ".cache" / "safelight" / "training"
    folder = Path(os.environ.get("SAFELIGHT_TRAINING_DIR", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
