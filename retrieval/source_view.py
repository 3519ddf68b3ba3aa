"""A source as the pages show it: with its schedule, its last run, and what goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragadmin.errors import RagadminError
from retrieval.connectors.registry import connector_class, open_connector
from retrieval.models import Source, SyncRun
from retrieval.run_figures import WAITING, summarise
from retrieval.schedule_words import schedule_words
from retrieval.services.schedules import schedules_of
from retrieval.sync_selectors import last_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenants.models import SyncSchedule

NOT_SCHEDULED = "Not scheduled"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source to choose from. `is_upload`: it is never synced."""

    name: str
    icon: str
    label: str
    about: str
    is_upload: bool = False


KINDS = {
    "folder": Kind(
        "folder",
        "folder",
        "Folder",
        "Files below a folder of this server, or in S3 and other stores.",
    ),
    "web": Kind(
        "web",
        "globe",
        "Website",
        "The pages of a sitemap, or all that links lead to below one address.",
    ),
    "upload": Kind(
        "upload",
        "upload",
        "Uploads",
        "Files that people and programs send. No sync ever touches them.",
        is_upload=True,
    ),
}


def kind_of(name: str) -> Kind:
    """Of a connector that has no form here, what it says of itself: the API makes such sources."""
    if name in KINDS:
        return KINDS[name]
    connector = connector_class(name)
    return Kind(name, "folder", connector.label, "", is_upload=connector.is_upload)


@dataclass(frozen=True, slots=True)
class SourceView:
    source: Source
    where: str
    schedule: SyncSchedule | None
    last_run: SyncRun | None

    @property
    def kind(self) -> Kind:
        return kind_of(self.source.kind)

    @property
    def when(self) -> str:
        return schedule_words(self.schedule) if self.schedule else NOT_SCHEDULED

    @property
    def is_syncing(self) -> bool:
        """The page looks again by itself, unless the run waits for a person."""
        return self.last_run is not None and self.last_run.status in WAITING

    @property
    def last_summary(self) -> str:
        return summarise(self.last_run) if self.last_run else ""

    @property
    def guard(self) -> str:
        return f"{self.source.max_deleted_share:.0%}"

    @property
    def has_open_run(self) -> bool:
        return self.last_run is not None and self.last_run.status in SyncRun.OPEN


def view_sources(sources: Sequence[Source]) -> list[SourceView]:
    """Three queries, however many they are."""
    ids = [source.pk for source in sources]
    schedules, runs = schedules_of(ids), last_runs(ids)
    return [
        SourceView(source, _where(source), schedules.get(source.pk), runs.get(source.pk))
        for source in sources
    ]


def _where(source: Source) -> str:
    try:
        connector = open_connector(source.kind, source.config, {})
    except RagadminError as error:
        return error.message
    return connector.describe()
