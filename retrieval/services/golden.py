"""Golden questions: what a tenant's answers are measured by. With the tenant in force."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connection, transaction

from ragadmin.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from retrieval.models import Document, GoldenQuestion
from retrieval.query.request import clean_question
from retrieval.services.golden_nights import schedule_nights
from tenants.context import current_tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from django.db.models import QuerySet

ORIGINS = ("hand", "trace", "csv", "api")
# A run asks each of them and keeps what was answered in one row.
MOST_QUESTIONS = 1_000
MOST_EXPECTED = 20
LONGEST = {"expected_paths": 1_000, "must_contain": 500, "expected_answer": 8_000, "note": 2_000}
CHANGEABLE = (
    "question",
    "access_levels",
    "expected_paths",
    "expected_answer",
    "must_contain",
    "must_abstain",
    "note",
    "is_active",
)
COUNT_LOCK = 0x676F


def visible_questions(access_levels: Iterable[str]) -> QuerySet[GoldenQuestion]:
    """Those that are asked as no more than `access_levels`: what is expected of the others may tell
    what their documents say."""
    found = GoldenQuestion.objects.filter(access_levels__contained_by=list(access_levels))
    return found.order_by("-created_at", "id")


def known_paths(paths: Iterable[str], access_levels: Iterable[str]) -> set[str]:
    """Those of documents that are there, and may be seen."""
    wanted = set(paths)
    found = Document.objects.filter(path__in=wanted, access_level__in=list(access_levels))
    return set(found.values_list("path", flat=True)) if wanted else set()


def find_golden_question(
    *, question: str, access_levels: Sequence[str], but: UUID | None = None
) -> GoldenQuestion | None:
    """The one that is the same but for letter case and white space, asked as the same levels."""
    key = question_key(question, access_levels)
    return GoldenQuestion.objects.filter(key=key).exclude(id=but).first()


def add_golden_question(
    *,
    question: str,
    access_levels: Sequence[str],
    expected_paths: Sequence[str] = (),
    expected_answer: str = "",
    must_contain: Sequence[str] = (),
    must_abstain: bool = False,
    note: str = "",
    is_active: bool = True,
    origin: str = "hand",
    trace_id: UUID | None = None,
    created_by: str,
    allowed_levels: Sequence[str] | None = None,
) -> GoldenQuestion:
    """`allowed_levels`: those of whoever adds it, which it cannot be asked above; None: of the tenant.

    Raises InvalidRequest naming the field, PermissionDenied, and Conflict with `extra.golden_question`,
    the id of the one that is there already.
    """
    values = {
        "question": question,
        "access_levels": access_levels,
        "expected_paths": expected_paths,
        "expected_answer": expected_answer,
        "must_contain": must_contain,
        "must_abstain": must_abstain,
        "note": note,
        "is_active": is_active,
    }
    if origin not in ORIGINS:
        raise InvalidRequest(f"The origin is one of {', '.join(ORIGINS)}.")
    cleaned = clean(values, allowed_levels)
    _refuse_another(cleaned)
    _check_count()
    row = GoldenQuestion(**cleaned, origin=origin, trace_id=trace_id, created_by=created_by[:254])
    saved = _save(row)
    schedule_nights()
    return saved


def update_golden_question(
    *, question_id: UUID, changes: dict[str, Any], allowed_levels: Sequence[str]
) -> GoldenQuestion:
    """Raises NotFound also for one that is asked above `allowed_levels`; else as add_golden_question."""
    row = visible_questions(allowed_levels).select_for_update().filter(id=question_id).first()
    if row is None:
        raise NotFound("There is no such golden question.")
    if unknown := set(changes) - set(CHANGEABLE):
        raise InvalidRequest(f"This cannot be changed: {', '.join(sorted(unknown))}.")
    values = {name: getattr(row, name) for name in CHANGEABLE} | changes
    cleaned = clean(values, allowed_levels)
    _refuse_another(cleaned, but=row.id)
    for name, value in cleaned.items():
        setattr(row, name, value)
    saved = _save(row)
    if saved.is_active:
        schedule_nights()
    return saved


def delete_golden_questions(*, ids: Iterable[UUID], allowed_levels: Sequence[str]) -> int:
    """How many were deleted. Runs keep what they found."""
    deleted, _ = visible_questions(allowed_levels).filter(id__in=list(ids)).delete()
    return deleted


def clean(values: dict[str, Any], allowed_levels: Sequence[str] | None) -> dict[str, Any]:
    """As they are stored, with the key. Raises InvalidRequest, PermissionDenied."""
    cleaned: dict[str, Any] = {
        "question": clean_question(values["question"]),
        "access_levels": _clean_levels(values["access_levels"], allowed_levels),
        "expected_paths": _clean_list(values, "expected_paths"),
        "expected_answer": _clean_text(values, "expected_answer"),
        "must_contain": _clean_list(values, "must_contain"),
        "must_abstain": bool(values["must_abstain"]),
        "note": _clean_text(values, "note"),
        "is_active": bool(values["is_active"]),
    }
    expected = ("expected_paths", "expected_answer", "must_contain")
    if cleaned["must_abstain"] and (given := [name for name in expected if cleaned[name]]):
        raise _invalid(
            given[0],
            "The right answer to this question is that there is none: leave the expected documents, "
            "the expected answer and the words that must stand in it empty.",
        )
    return cleaned | {"key": question_key(cleaned["question"], cleaned["access_levels"])}


def question_key(question: str, access_levels: Iterable[str]) -> str:
    """SHA-256 of the question but for letter case and white space, and the levels in any order."""
    parts = [" ".join(question.casefold().split()), *sorted(set(access_levels))]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _clean_levels(levels: Sequence[str], allowed: Sequence[str] | None) -> list[str]:
    ordered = current_tenant().access_levels
    if not levels or isinstance(levels, str):
        raise _invalid("access_levels", "Choose at least one access level to ask it as.")
    for level in levels:
        if level not in ordered:
            raise _invalid(
                "access_levels",
                f"The tenant has no access level {level!r}; it has {', '.join(ordered)}.",
            )
        if allowed is not None and level not in allowed:
            raise PermissionDenied(
                f"You cannot ask as the access level {level}, because you do not have it yourself.",
                code="level_too_high",
                extra={"field": "access_levels"},
            )
    return [level for level in ordered if level in levels]


def _clean_list(values: dict[str, Any], name: str) -> list[str]:
    given = values[name]
    if isinstance(given, str) or not all(isinstance(each, str) for each in given):
        raise _invalid(name, f"{name} is a list of texts.")
    cleaned = list(dict.fromkeys(each.replace("\x00", "").strip() for each in given))
    cleaned = [each for each in cleaned if each]
    if len(cleaned) > MOST_EXPECTED:
        raise _invalid(name, f"{name} has at most {MOST_EXPECTED} entries.")
    if any(len(each) > LONGEST[name] for each in cleaned):
        raise _invalid(name, f"An entry of {name} has at most {LONGEST[name]:,} characters.")
    return cleaned


def _clean_text(values: dict[str, Any], name: str) -> str:
    if not isinstance(values[name], str):
        raise _invalid(name, f"{name} is a text.")
    text = values[name].replace("\x00", "").strip()
    if len(text) > LONGEST[name]:
        raise _invalid(name, f"{name} has at most {LONGEST[name]:,} characters.")
    return text


def _refuse_another(cleaned: dict[str, Any], but: UUID | None = None) -> None:
    other = GoldenQuestion.objects.filter(key=cleaned["key"]).exclude(id=but).first()
    if other is not None:
        raise _exists(other)


def _check_count() -> None:
    """Held to the end of the transaction, so that two at once do not both take the last place."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [COUNT_LOCK, current_tenant().id])
    if GoldenQuestion.objects.count() >= MOST_QUESTIONS:
        raise Conflict(
            f"There are {MOST_QUESTIONS:,} golden questions, which is the most: delete some first.",
            code="too_many_questions",
        )


def _save(row: GoldenQuestion) -> GoldenQuestion:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:  # somebody added the same one at this very moment
        other = GoldenQuestion.objects.filter(key=row.key).exclude(id=row.id).first()
        if other is None:
            raise
        raise _exists(other) from None
    return row


def _exists(other: GoldenQuestion) -> Conflict:
    return Conflict(
        "This question is among the golden questions already, asked as the same access levels: "
        "edit that one.",
        code="golden_question_exists",
        extra={"field": "question", "golden_question": str(other.id)},
    )


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, extra={"field": field})
