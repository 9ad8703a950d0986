"""The only reader of the environment.

Every setting can be given as ``OUTLAY_<NAME>``; secrets that are not given are generated once into
``$OUTLAY_HOME/secrets.json`` (mode 0600) so that every process of one instance shares them.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

from backend.instance_secrets import Secrets

PROJECT_ROOT = Path(__file__).resolve().parent.parent

Role = Literal["outlay_owner", "outlay_app", "outlay_extract", "outlay_dagster"]


class Settings(BaseSettings):
    """Typed configuration of one Outlay instance."""

    model_config = SettingsConfigDict(env_prefix="OUTLAY_", extra="ignore", frozen=True)

    home: Path = Field(Path("var"), description="Folder of everything this instance stores.")
    database_url: SecretStr | None = Field(
        None,
        description=(
            "PostgreSQL 18 or later, as a login that may create roles and databases. "
            "Unset: a PostgreSQL from a wheel is started under `OUTLAY_HOME`."
        ),
    )
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, description="Port of the API.")
    dagster_host: str = Field(
        "127.0.0.1",
        description="Address of the Dagster UI; it has no authentication, so loopback or private.",
    )
    dagster_port: int = Field(3000, description="Port of the Dagster UI.")
    dagster_url: str | None = Field(
        None, description="Where the API reaches Dagster; by default the local host and port."
    )
    cors_origins: list[str] = Field(
        default_factory=list, description="Origins allowed to call the API, as a JSON list."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is logged."
    )

    jwt_algorithms: tuple[Literal["HS256", "RS256", "ES256"], ...] = Field(
        ("HS256",), description="Accepted token algorithms, as a JSON list."
    )
    jwt_issuer: str = Field("outlay", description="The `iss` claim issued and required.")
    jwt_audience: str = Field("outlay-api", description="The `aud` claim issued and required.")
    jwt_ttl_seconds: int = Field(3600, gt=0, description="Life of an access token, in seconds.")
    refresh_ttl_seconds: int = Field(
        30 * 86_400, gt=0, description="A login can be refreshed for this long, in seconds."
    )
    idp_issuer: str | None = Field(
        None, description="The `iss` claim of an external identity provider's tokens."
    )
    idp_audience: str | None = Field(None, description="The `aud` claim required of its tokens.")
    idp_jwks_url: str | None = Field(None, description="Where its public keys are fetched.")
    idp_token_types: tuple[str, ...] = Field(
        ("at+jwt", "application/at+jwt"),
        description="The `typ` headers taken for access tokens, as a JSON list.",
    )

    registration_open: bool = Field(
        True, description="Anybody may register; otherwise one comes in by invitation only."
    )
    app_url: str | None = Field(
        None, description="Address of the web application; one-time links lead there."
    )
    invitation_ttl_seconds: int = Field(
        7 * 86_400, gt=0, description="Life of an invitation's link, in seconds."
    )
    password_reset_ttl_seconds: int = Field(
        86_400, gt=0, description="Life of a password reset's link, in seconds."
    )
    login_attempts_per_account: int = Field(
        10, gt=0, description="Attempts to log in to one account within the window, then 429."
    )
    login_attempts_per_address: int = Field(
        100, gt=0, description="Attempts to log in from one address within the window, then 429."
    )
    login_attempt_window_seconds: int = Field(
        900, gt=0, description="The window of the attempts to log in, in seconds."
    )
    rate_limit_requests: int = Field(
        6000, gt=0, description="Requests of one caller within the window, in one API process."
    )
    rate_limit_anonymous_requests: int = Field(
        1200, gt=0, description="Requests without a valid token, from one address."
    )
    rate_limit_window_seconds: int = Field(
        60, gt=0, description="The window of the rate limits, in seconds."
    )

    import_max_bytes: int = Field(
        20 * 2**20, gt=0, description="Largest file that can be imported, in bytes."
    )

    receipts_url: str | None = Field(
        None,
        description=(
            "Where receipts are stored, such as `s3://bucket/receipts` (needs the extra `s3`); "
            "by default the folder `receipts` of `OUTLAY_HOME`."
        ),
    )
    receipt_max_bytes: int = Field(
        10 * 2**20, gt=0, description="Largest receipt that can be uploaded, in bytes."
    )

    query_timeout_seconds: float = Field(
        10.0, gt=0, description="A dataset query is interrupted after this long."
    )
    query_concurrency: int = Field(
        8, gt=0, description="Dataset queries that run at once in one API process; others queue."
    )
    query_concurrency_per_caller: int = Field(
        4, gt=0, description="Those of one caller; the places that are left are for others."
    )
    stream_concurrency: int = Field(
        4, gt=0, description="Downloads of whole answers at once in one API process; others queue."
    )
    stream_concurrency_per_caller: int = Field(2, gt=0, description="Those of one caller.")
    stream_idle_seconds: float = Field(
        60.0, gt=0, description="A download that its reader leaves alone this long is broken off."
    )
    stream_max_seconds: float = Field(
        3600.0, gt=0, description="A download is broken off after this long, however it goes."
    )
    result_cache_bytes: int = Field(
        64 * 2**20,
        ge=0,
        description="Answers kept in memory by one API process, in bytes; 0 keeps none.",
    )
    duckdb_memory_limit: str = Field("2GB", description="Memory cap of the readers of one process.")
    duckdb_threads: int = Field(2, gt=0, description="Threads of the readers of one process.")
    stale_after_seconds: int = Field(
        86_400, gt=0, description="A generation older than this is reported as stale."
    )
    warehouse_max_bytes: int = Field(
        20 * 2**30, gt=0, description="Disk cap of the retained generations, in bytes."
    )
    refresh_settle_seconds: int = Field(
        15, ge=0, description="Automatic refresh waits until writes have been quiet this long."
    )
    refresh_min_interval_seconds: int = Field(
        60, ge=0, description="Automatic refreshes are at least this far apart."
    )
    refresh_max_wait_seconds: int = Field(
        900,
        gt=0,
        description="Under constant writes a refresh starts at the latest after this long.",
    )
    export_timeout_seconds: int = Field(
        1800, gt=0, description="An export that is written for longer than this is stopped."
    )
    export_max_bytes: int = Field(2 * 2**30, gt=0, description="Largest export, in bytes.")
    export_max_rows: int = Field(50_000_000, gt=0, description="Most rows of an export.")
    exports_per_user: int = Field(
        3, gt=0, description="Exports that one person may have under way, then 429."
    )
    export_bytes_per_user: int = Field(
        8 * 2**30, gt=0, description="With so many bytes of exports kept, a person gets no more."
    )
    export_concurrency: int = Field(
        2, gt=0, description="Exports that are written at once; others queue."
    )
    export_retention_seconds: int = Field(
        86_400, gt=0, description="An export's file is kept for this long, in seconds."
    )
    export_link_ttl_seconds: int = Field(
        900, gt=0, description="Life of an export's download link, in seconds."
    )
    crash_at: str | None = Field(
        None,
        description="Fault injection for tests: kill this process at the named point of a refresh.",
    )

    jwt_secret: SecretStr | None = Field(None, description="HS256 key; generated when unset.")
    superuser_password: SecretStr | None = Field(
        None, description="Password of the embedded PostgreSQL's superuser; generated when unset."
    )
    owner_password: SecretStr | None = Field(None, description="Password of role `outlay_owner`.")
    app_password: SecretStr | None = Field(None, description="Password of role `outlay_app`.")
    extract_password: SecretStr | None = Field(
        None, description="Password of role `outlay_extract`."
    )
    dagster_password: SecretStr | None = Field(
        None, description="Password of role `outlay_dagster`."
    )

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _whole_identity_provider(self) -> Self:
        given = [self.idp_issuer, self.idp_audience, self.idp_jwks_url]
        if any(given) and not all(given):
            raise ValueError("Set idp_issuer, idp_audience and idp_jwks_url together.")
        if self.idp_issuer == self.jwt_issuer:
            raise ValueError("idp_issuer and jwt_issuer must differ: they are two parties.")
        if self.idp_issuer and not {"RS256", "ES256"} & set(self.jwt_algorithms):
            raise ValueError("An identity provider needs RS256 or ES256 among jwt_algorithms.")
        return self

    @cached_property
    def secrets(self) -> Secrets:
        """The instance's secrets: from the environment, else from `secrets.json`."""
        given = {
            "jwt": self.jwt_secret,
            "superuser_password": self.superuser_password,
            "owner_password": self.owner_password,
            "app_password": self.app_password,
            "extract_password": self.extract_password,
            "dagster_password": self.dagster_password,
        }
        return Secrets.load_or_create(
            self.home / "secrets.json", {k: v for k, v in given.items() if v is not None}
        )

    @property
    def postgres_dir(self) -> Path:
        """Home of the embedded PostgreSQL: binaries, data, log, its address."""
        return self.home / "postgres"

    @property
    def warehouse_dir(self) -> Path:
        return self.home / "warehouse"

    @property
    def exports_dir(self) -> Path:
        return self.home / "exports"

    @property
    def receipts_location(self) -> str:
        return self.receipts_url or f"file://{self.home / 'receipts'}"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def board_path(self) -> Path:
        return self.home / "board.json"

    @property
    def dagster_graphql_url(self) -> str:
        base = self.dagster_url or f"http://{self.dagster_host}:{self.dagster_port}"
        return f"{base.rstrip('/')}/graphql"

    def admin_url(self) -> URL:
        """The login that bootstraps roles and databases (never used to serve requests)."""
        if self.database_url is not None:
            return make_url(self.database_url.get_secret_value())
        address = self.postgres_dir / "address.json"
        if not address.exists():
            raise FileNotFoundError(
                "No OUTLAY_DATABASE_URL is set and no embedded PostgreSQL runs in "
                f"{self.postgres_dir}. Start it with `outlay up`."
            )
        place = json.loads(address.read_text())
        return URL.create(
            "postgresql",
            username="postgres",
            password=self.secrets.superuser_password.get_secret_value(),
            host=place["host"],
            port=place["port"],
            database="outlay",
        )

    def role_url(
        self, role: Role, *, driver: str | None = None, database: str | None = None
    ) -> URL:
        """URL of one of Outlay's own roles on the configured server.

        `driver` is a SQLAlchemy driver such as ``asyncpg``; none gives a plain libpq URL.
        """
        passwords = {
            "outlay_owner": self.secrets.owner_password,
            "outlay_app": self.secrets.app_password,
            "outlay_extract": self.secrets.extract_password,
            "outlay_dagster": self.secrets.dagster_password,
        }
        url = self.admin_url()
        if database is None:
            database = "outlay_dagster" if role == "outlay_dagster" else url.database
        return url.set(
            drivername=f"postgresql+{driver}" if driver else "postgresql",
            username=role,
            password=passwords[role].get_secret_value(),
            database=database,
        )
