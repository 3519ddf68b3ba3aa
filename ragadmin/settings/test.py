"""Settings of the tests. Databases and Redis are started by tests/conftest.py."""

from __future__ import annotations

from ragadmin.settings.base import *

SECRET_KEY = "test-secret-key-that-is-long-enough-for-everything"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
MIN_SECONDS_BETWEEN_REQUESTS = 0.0
