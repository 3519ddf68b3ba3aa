"""Two tenants to try ragadmin with, filled with real documents that are already on the machine."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

from ragadmin.installation import PROJECT_DIR
from retrieval.demo_questions import add_demo_questions
from retrieval.services.documents import store_upload
from tenants.audit import record_event
from tenants.models import AuditEvent, Tenant
from tenants.services import create_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADED = "demo.loaded"
HANDBOOK, PYTHON_REFERENCE = "handbook", "python-reference"
# Whom the handbook's pages for people who run ragadmin are meant for.
INTERNAL_PAGES = frozenset({"operator.md", "deployment.md", "security.md"})
# Topics of the Python language reference, by the folder they get. Left out are those that
# repeat others in one text, such as `compound` and `types`.
TOPICS = {
    "statements": (
        "assert assignment async augassign break class continue del exprlists for function "
        "global if import nonlocal pass raise return try while with"
    ),
    "expressions": (
        "attribute-references await binary bitwise booleans calls comparisons in lambda "
        "operator-summary power shifting slicings subscriptions truth unary yield"
    ),
    "types": (
        "dict formatstrings integers floating numbers string-methods strings typesmapping "
        "typesseq-mutable"
    ),
    "data-model": (
        "attribute-access callable-types context-managers customization exceptions execmodel "
        "id-classes naming numeric-types objects sequence-types specialattrs"
    ),
}
UNDERLINED = re.compile(r"^(\S.*)\n(\*{3,}|={3,}|-{3,}|~{3,})$", re.MULTILINE)
LEVELS = {"*": "#", "=": "##", "-": "###", "~": "####"}


@dataclass(frozen=True, slots=True)
class DemoFile:
    path: str
    content: bytes
    access_level: str = "public"


def demo_is_wanted() -> bool:
    """Until it was loaded once; not in an installation that already has tenants of its own."""
    others = Tenant.objects.customers().exclude(slug__in=[HANDBOOK, PYTHON_REFERENCE])
    return not others.exists() and not AuditEvent.objects.filter(action=LOADED).exists()


def load_demo() -> None:
    """Safe to repeat: a load that was cut short is completed."""
    _load(HANDBOOK, "ragadmin handbook", handbook_files())
    reference = _load(PYTHON_REFERENCE, "Python language reference", python_reference_files())
    add_demo_questions(reference)
    record_event(LOADED, actor=None)


def handbook_files() -> Iterator[DemoFile]:
    """The project's own manual."""
    for page in [PROJECT_DIR / "README.md", *sorted((PROJECT_DIR / "docs").glob("*.md"))]:
        if page.is_file():
            level = "internal" if page.name in INTERNAL_PAGES else "public"
            yield DemoFile(page.relative_to(PROJECT_DIR).as_posix(), page.read_bytes(), level)


def python_reference_files() -> Iterator[DemoFile]:
    """Topics that every Python carries for its `help()`; which ones there are differs a little."""
    for folder, names in TOPICS.items():
        for name in names.split():
            if name in topics:
                yield DemoFile(f"{folder}/{name}.md", _as_markdown(topics[name]).encode())


def _load(slug: str, name: str, files: Iterator[DemoFile]) -> Tenant:
    tenant = Tenant.objects.filter(slug=slug).first() or create_tenant(slug=slug, name=name)
    for file in files:
        store_upload(
            tenant=tenant,
            file=io.BytesIO(file.content),
            path=file.path,
            access_level=file.access_level,
            uploaded_by="demo",
        )
    return tenant


def _as_markdown(text: str) -> str:
    """The topics are plain text with underlined headings."""
    return UNDERLINED.sub(lambda match: f"{LEVELS[match[2][0]]} {match[1]}\n", text.strip() + "\n")
