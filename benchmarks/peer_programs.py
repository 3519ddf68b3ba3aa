"""The peers' own environment, made once and kept, and one pass of a peer as a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).parent / "peers.txt"
PROGRAMS = Path(__file__).parent / "peers"
LONGEST_PASS_SECONDS = 600


def peer_python() -> Path:
    """The interpreter of an environment with what `peers.txt` says today."""
    mark = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = Path(sys.prefix) / f"peers-{mark}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print("Installing LangChain and CocoIndex into an environment of their own…")
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "-qq", "--no-input", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "-r", REQUIREMENTS]
        subprocess.run(command, check=True)
        (folder / "complete").touch()
    return python


def run_pass(program: str, *arguments: object) -> dict[str, Any]:
    """What it printed: `seconds` of the pass itself, without starting Python and importing."""
    done = subprocess.run(
        [peer_python(), PROGRAMS / f"{program}.py", *map(str, arguments)],
        capture_output=True, text=True, timeout=LONGEST_PASS_SECONDS, cwd=PROGRAMS,
        env={**os.environ, "COCOINDEX_LOG_LEVEL": "ERROR"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{program} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
