from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psycopg
import pytest

from ragadmin.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def closed_folder():
    """As /root is: nobody but its owner may pass."""
    with tempfile.TemporaryDirectory(prefix="ragadmin-closed-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o700)
        yield Path(name)


def test_it_runs_below_a_folder_that_is_closed_to_other_accounts(closed_folder):
    postgres = EmbeddedPostgres(closed_folder / "data" / "postgres", "secret")
    postgres.initialise()
    service = postgres.service()
    process = service.start()
    try:
        service.wait_until_ready(process)
        postgres.create_database()
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        service.stop(process)


def test_a_lock_file_of_a_process_that_is_not_postgres_does_not_block_the_start(closed_folder):
    postgres = EmbeddedPostgres(closed_folder / "data" / "postgres", "secret")
    postgres.initialise()
    (postgres.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres.cluster}\n")
    postgres.initialise()
    assert not (postgres.cluster / "postmaster.pid").exists()


def test_a_first_start_that_was_cut_short_is_begun_anew(closed_folder):
    postgres = EmbeddedPostgres(closed_folder / "data" / "postgres", "secret")
    (postgres.folder / "cluster.new" / "base").mkdir(parents=True)
    postgres.initialise()
    assert (postgres.cluster / "PG_VERSION").exists()
    assert not (postgres.folder / "cluster.new").exists()
