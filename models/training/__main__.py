"""`python -m models.training`: every stage in order, each skipped when its checkpoint is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from models.training import judge
from models.training.album import ALBUMS, draw_album
from models.training.autoencoder import train_decoder, train_encoder
from models.training.card import write_card
from models.training.classifier import train_classifier
from models.training.contact_sheet import draw_sheet
from models.training.denoiser import train_denoiser
from models.training.export import export_pipeline, open_pipeline
from models.training.preview import fit_preview
from models.training.text import train_text_encoder
from models.training.tokens import train_tokenizer
from models.training.workspace import CONTACT_SHEET, WEIGHTS, find_workspace

log = logging.getLogger("models.training")


def draw_albums(workspace: Path) -> None:
    for album in ALBUMS:
        draw_album(album, workspace)


def ship(workspace: Path) -> None:
    export_pipeline(workspace, WEIGHTS)
    fit_preview(WEIGHTS)
    judge.main()
    write_card(WEIGHTS, judge.REPORT)
    draw_sheet(open_pipeline(WEIGHTS), CONTACT_SHEET)


STAGES: tuple[Callable[[Path], object], ...] = (
    draw_albums, train_tokenizer, train_text_encoder, train_decoder, train_encoder, train_classifier,
    train_denoiser, ship,
)  # fmt: skip


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    workspace = find_workspace()
    for stage in STAGES:
        start = time.monotonic()
        stage(workspace)
        log.info("%s: %.0f s", stage.__name__, time.monotonic() - start)


if __name__ == "__main__":
    main()
