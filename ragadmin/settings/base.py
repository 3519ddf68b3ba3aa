"""Settings shared by every way of running ragadmin."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from ragadmin import env, installation, logs

PROJECT_DIR = installation.PROJECT_DIR
DATA_DIR = installation.data_dir()
SECRET_KEY = installation.secret_key()
DEBUG = env.read_bool("RAGADMIN_DEBUG")
ALLOWED_HOSTS = env.read_list("RAGADMIN_ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if host not in {"*", "[::1]"}]

SERVICES = installation.service_addresses()
# Of each web process, for the hot path; the console has its own.
QUERY_CONNECTIONS = env.read_int("RAGADMIN_QUERY_CONNECTIONS", 20, minimum=1, maximum=1_000)
# So many days single metrics are kept; what is summed up of them is kept longer.
METRIC_DAYS = env.read_int("RAGADMIN_METRIC_DAYS", 90, minimum=2, maximum=3_650)
DATABASES = installation.database_settings(SERVICES["database"], SECRET_KEY)
DATABASE_ROUTERS = ["tenants.routers.SchemaRouter"]
REDIS_URL = SERVICES["redis"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The apps whose tables live in tenant schemas; all others are in public.
TENANT_APPS = ["retrieval"]
INSTALLED_APPS = [
    "ragadmin.admin_config.RawRowsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_htmx",
    "chartkick.django",  # the static files of Chart.js
    "csp",
    "ragadmin",
    "tenants",
    "retrieval",
    "monitoring",
]

# The console's list. The hot routes (retrieval.query.http) have their own short one.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "ragadmin.logs.RequestLogMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "ragadmin.urls"
ASGI_APPLICATION = "ragadmin.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.navigation.navigation",
            ],
            "builtins": ["ragadmin.templatetags.ui"],
        },
    }
]

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "tenants.auth.InvitationOnlyAdapter"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

# Without EMAIL_URL nothing is sent, and the console offers nothing that would need it.
EMAIL_URL = env.read_url("EMAIL_URL", schemes=("smtp", "smtp+tls", "smtps"))
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_URL else 'dummy'}.EmailBackend"
_email = urlsplit(EMAIL_URL)
EMAIL_HOST = _email.hostname or ""
EMAIL_PORT = _email.port or {"smtps": 465, "smtp+tls": 587}.get(_email.scheme, 25)
EMAIL_HOST_USER = unquote(_email.username or "")
EMAIL_HOST_PASSWORD = unquote(_email.password or "")
EMAIL_USE_SSL = _email.scheme == "smtps"
EMAIL_USE_TLS = _email.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.read_str(
    "RAGADMIN_EMAIL_FROM", EMAIL_HOST_USER if "@" in EMAIL_HOST_USER else "ragadmin@localhost"
)
# Under which people reach the console, for links in messages. Without it they are paths only.
PUBLIC_URL = env.read_url("RAGADMIN_PUBLIC_URL", schemes=("http", "https")).rstrip("/")

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "files"},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MAX_UPLOAD_BYTES = 100 * 2**20
# Folders below which sources may be. None: sources of this machine's files are off.
SYNC_ROOTS = env.read_roots("RAGADMIN_SYNC_ROOTS")
# Private hosts that sources may be at. All others have to have a public address.
PRIVATE_SOURCE_HOSTS = env.read_hosts("RAGADMIN_PRIVATE_HOSTS")
# Of scanned documents, where tesseract is installed.
OCR_LANGUAGES = env.read_languages("RAGADMIN_OCR_LANGUAGES", "eng")
# No website is asked more often, whatever its source says.
MIN_SECONDS_BETWEEN_REQUESTS = 0.1
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
DATA_UPLOAD_MAX_NUMBER_FILES = 200

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A request that hints at work must not wait for a Redis that is down: beat hints again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 0,
    "socket_connect_timeout": 1,
    "socket_timeout": 3,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "ragadmin"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tenants.keys.ApiKeyAuthentication",
        "tenants.auth.TenantSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_PAGINATION_CLASS": "ragadmin.drf.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "ragadmin.drf.handle_exception",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ragadmin",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "TenantStatus": "tenants.models.Tenant.Status",
        "TenantIsolation": "tenants.models.Tenant.Isolation",
        "MoveStatus": "tenants.models.TenantMove.Status",
        "DocumentStatus": "retrieval.models.Document.Status",
        "AnswerStatus": "retrieval.models.QueryTrace.Status",
        "SyncRunStatus": "retrieval.models.SyncRun.Status",
        "FeedbackStatus": "retrieval.models.Feedback.Status",
        "EvaluationStatus": "retrieval.models.Evaluation.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ragadmin.drf.add_hot_routes",
    ],
}

# From so many chunks a tenant's vectors get an index; below, all are compared, none is missed, and
# that takes some 3 ms at most. Measured by benchmarks/vector_index.py.
VECTOR_INDEX_FROM = 5_000

# Models. None configured is a normal state: answers are then extractive.
OPENAI_API_KEY = env.read_str("OPENAI_API_KEY")
OPENAI_BASE_URL = env.read_url("OPENAI_BASE_URL", schemes=("http", "https"))
SMALL_MODEL = env.read_str("RAGADMIN_SMALL_MODEL", "gpt-4o-mini")
LARGE_MODEL = env.read_str("RAGADMIN_LARGE_MODEL", "gpt-4o")
EMBEDDING_MODEL = env.read_str("RAGADMIN_EMBEDDING_MODEL", "local:all-MiniLM-L6-v2")
EMBEDDING_DIMENSION_OF = "retrieval.providers.embedders.dimension_of"
RERANKER = env.read_reranker("RAGADMIN_RERANKER")
# What an HTTP reranker is asked for, if it serves several models or wants a key.
RERANKER_MODEL = env.read_str("RAGADMIN_RERANKER_MODEL")
RERANKER_API_KEY = env.read_str("RAGADMIN_RERANKER_API_KEY")
# Further kinds of embedding model, by the first part of their names: a class that takes the rest.
MORE_EMBEDDERS: dict[str, str] = {}

# Whoever sends it may read /metrics; an operator's key may too.
METRICS_TOKEN = env.read_str("METRICS_TOKEN")
# Traces of answers go there by OTLP over HTTP. Without it nothing of OpenTelemetry is even loaded.
OTEL_ENDPOINT = env.read_url("OTEL_EXPORTER_OTLP_ENDPOINT", schemes=("http", "https"))

LOGGING_CONFIG = None
logs.configure(debug=DEBUG)
