"""Text in pictures, read by the system's tesseract. Nothing is ever downloaded: without it, no OCR.

Runs in the child process. Tesseract inherits that one's limits and is ended with it.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess

from ragadmin.errors import ExtractionError

PROGRAM = "tesseract"
# Where no picture can be so large that its reader would run into the limit of memory.
LEAST_MEMORY_BYTES = 128 * 2**20
# At the end of a line, as printers divide words.
DIVIDED = re.compile(r"(?<=[^\W\d_])[-\u00ad]\n(?=[^\W\d_A-Z])")
OUT_OF_MEMORY = ("bad_alloc", "alloc", "memory", "too large")


def is_available() -> bool:
    return shutil.which(PROGRAM) is not None


def read_picture(data: bytes, seconds: float, dpi: int | None = None) -> str:
    """Raises ExtractionError: `too_large`, `corrupt`, `timeout`, or `unsupported` without language."""
    languages = os.environ.get("OCR_LANGUAGES", "eng")
    arguments = [PROGRAM, "-", "-", "-l", languages]
    if dpi:
        arguments += ["--dpi", str(dpi)]
    try:
        code, said, text = _run(arguments, data, seconds)
    except subprocess.TimeoutExpired:
        raise took_too_long() from None
    if code != 0 or (not text.strip() and "error" in said.lower()):
        raise _explain(code, said, languages)
    return DIVIDED.sub("", text.replace("\f", "\n")).strip()


def _run(arguments: list[str], data: bytes, seconds: float) -> tuple[int, str, str]:
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    ) as process:
        _share_memory(process.pid)
        try:
            text, said = process.communicate(data, timeout=max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, said.decode(errors="replace"), text.decode(errors="replace")


def _share_memory(pid: int) -> None:
    """Both together stay below the limit: what this process has in use, the other cannot have."""
    limit = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if limit == resource.RLIM_INFINITY or not hasattr(resource, "prlimit"):
        return
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rest = max(limit - used, LEAST_MEMORY_BYTES)
    try:
        resource.prlimit(pid, resource.RLIMIT_DATA, (rest, rest))
    except ProcessLookupError:
        pass  # over already


def _explain(code: int, said: str, languages: str) -> ExtractionError:
    if "language" in said.lower():
        return ExtractionError(
            f"Text recognition has no data for the language {languages}: ask whoever runs this"
            " installation to add it, or to change RAGADMIN_OCR_LANGUAGES.",
            code="unsupported",
        )
    if code == -signal.SIGXCPU:
        return took_too_long()
    if code < 0 or any(word in said.lower() for word in OUT_OF_MEMORY):
        return ExtractionError(
            "The picture is too large to recognise its text. Save it in a lower resolution.",
            code="too_large",
        )
    return ExtractionError(
        "The picture is damaged and cannot be read. Save it again and upload the new copy.",
        code="corrupt",
    )


def took_too_long() -> ExtractionError:
    return ExtractionError(
        "Recognising the text of these pictures takes too long. Split the file into smaller ones,"
        " or run it through OCR before and upload the result.",
        code="timeout",
    )
