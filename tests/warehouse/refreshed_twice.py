"""Refreshes of a ledger, each incremental one beside a full one of the same rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from backend.settings import Settings
from backend.warehouse.contents import Generation, Source
from backend.warehouse.extract import ASKED_FOR, TARGET_FILE, Extraction, extract
from backend.warehouse.incremental.base import Base
from backend.warehouse.reconcile import reconcile
from tests.warehouse.changing_ledger import extract_url
from tests.warehouse.compiled_models import Model, differences, run_models

Build = Callable[[Path], None]


def with_models(models: list[Model]) -> Build:
    return lambda folder: run_models(models, folder)


class Refreshed:
    """The marts of `settings`' ledger in `folder`, brought up to date by incremental refreshes."""

    def __init__(self, settings: Settings, folder: Path, build: Build) -> None:
        self.url = extract_url(settings)
        self.base_folder, self.incremental, self.full = (
            folder / name for name in ("base", "incremental", "full")
        )
        self.base_folder.mkdir(parents=True)
        self.build = build
        self.base = self._publish(self.run(self.incremental, ASKED_FOR))

    def run(self, folder: Path, base: Base | str) -> Extraction:
        extraction = extract(self.url, folder, base=base)
        self.build(folder)
        disagreeing = [c for c in reconcile(folder) if not c.agrees]
        assert not disagreeing, f"{extraction.kind}: {disagreeing}"
        return extraction

    def refresh(self) -> Extraction:
        """Go on from the base, and check that reading everything comes to the same rows."""
        extraction = self.run(self.incremental, self.base)
        self.run(self.full, ASKED_FOR)
        assert differences(self.incremental / TARGET_FILE, self.full / TARGET_FILE) == {}
        self.base = self._publish(extraction)
        return extraction

    def _publish(self, extraction: Extraction) -> Base:
        shutil.copy(self.incremental / TARGET_FILE, self.base_folder / TARGET_FILE)
        source = Source(
            snapshot=extraction.snapshot,
            taken_at=extraction.taken_at,
            system_identifier=extraction.origin.system_identifier,
            timeline=extraction.origin.timeline,
            storage=extraction.origin.storage,
        )
        return Base(self.base_folder, Generation.model_construct(id="the base", source=source))
