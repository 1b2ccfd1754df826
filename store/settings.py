"""Every setting, in one class, read from `IMAGEWORKS_*`."""

# The Dagster floor imports this module at definition time: nothing heavier than pydantic belongs here.

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import (
    AfterValidator,
    ByteSize,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from store.errors import SettingsError
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "IMAGEWORKS_"
MASK = "********"

_MIB = 1024 * 1024
_STATE_SCHEME = re.compile(r"(?:postgresql(?:\+psycopg)?|postgres):")
# Narrower than RFC 3986 and than SQLAlchemy on purpose: they part a URL in different places, and what one takes for
# a database the other takes for half a password. Here no two parsers can disagree.
_STATE_URL = re.compile(
    r"(?P<scheme>[a-z+]+://)(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<place>(?:\[[0-9A-Fa-f:.]+\]|[^:@/?#\[\]\s]*)(?::[0-9]{1,5})?(?:/[^@?#\s]*)?)(?:\?(?P<query>[^@#\s]*))?"
)
_SECRET = re.compile("pass|secret|key|token", re.IGNORECASE)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _state_url(url: SecretStr) -> SecretStr:
    # The message never quotes the value: it may hold a password.
    text = url.get_secret_value()
    if not _STATE_SCHEME.match(text):
        raise ValueError(
            "must be postgresql://user:password@host:5432/database; "
            "leave it unset for SQLite in the home folder"
        )
    if not _STATE_URL.fullmatch(text):
        raise ValueError(
            "is not a URL; write postgresql://user:password@host:5432/database, and within user, password and "
            "the others %2F for a /, %3F for a ?, %23 for a #, %40 for a @, %3A for a : and %20 for a space"
        )
    return url


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """What a person may set; every field is read from `IMAGEWORKS_<FIELD>` or given by name.

    Frozen. Sizes take a number of bytes or text such as `64MiB`.

    Raises:
        SettingsError: A value cannot be used; the message names the variable and what is right.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        # `max_*` and the like are plain names here; nothing is protected.
        protected_namespaces=(),
    )

    home: AbsolutePath = Field(
        default=Path(".imageworks"),
        validate_default=True,
        description="Folder for everything that is kept: state, tables, telemetry, prompts, Dagster's home.",
    )
    state_url: Annotated[SecretStr, AfterValidator(_state_url)] | None = Field(
        default=None,
        description="PostgreSQL URL of the state database; unset means SQLite in the home folder.",
    )
    executor: Literal["in_process", "multiprocess", "celery"] = Field(
        default="in_process",
        description=(
            "Where the steps of a run that Dagster starts are carried out: in the run's process, in one each on this "
            "host, or by Celery's workers."
        ),
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="Celery's broker, such as redis://host:6379/0; needed where executor is celery.",
    )
    inbox: AbsolutePath | None = Field(
        default=None,
        description="Folder watched for new batches: <inbox>/judge/<batch> and <inbox>/tag/<batch>.",
    )
    inbox_quiet_s: float = Field(
        default=30,
        ge=0,
        le=86_400,
        description="Seconds for which an inbox folder must not have changed before it is handled.",
    )
    promotion_runs: Literal["offer", "start"] = Field(
        default="offer",
        description=(
            "What follows when a promoted prompt makes tables of an open batch stale: `offer` tells it in the sensor's "
            "log and in `imageworks status`, `start` runs the batch."
        ),
    )
    promotion_runs_a_tick: int = Field(
        default=2, ge=1, le=100, description="Runs that are started at most at one look for promotions."
    )
    leases: Literal["off", "observe", "enforce"] = Field(
        default="off",
        description=(
            "How devices are shared: `off` grants every request at once, `observe` also tells what would have had "
            "to wait, `enforce` waits, loads and unloads."
        ),
    )
    lease_ttl_s: float = Field(
        default=15,
        ge=2,
        le=3600,
        description="Seconds after which a process that says nothing any longer loses its leases.",
    )
    lease_interactive_wait_s: float = Field(
        default=30,
        gt=0,
        le=86_400,
        description="Seconds after which somebody interactive who waits for a model comes before all else.",
    )
    lease_batch_wait_s: float = Field(
        default=900,
        gt=0,
        le=86_400,
        description="Seconds after which a batch that waits for a model comes before all else.",
    )
    concurrency: int = Field(
        default=8, ge=1, le=1024, description="Requests in flight at once, per step and client."
    )
    bytes_in_flight: ByteSize = Field(
        default=ByteSize(64 * _MIB),
        ge=_MIB,
        description="Bytes of request bodies in flight at once, per step and client.",
    )
    connect_timeout_s: float = Field(
        default=5, gt=0, le=600, description="Seconds to wait for a connection to a server."
    )
    first_byte_timeout_s: float = Field(
        default=120, gt=0, le=86_400, description="Seconds from a sent request to the answer's first byte."
    )
    cold_load_timeout_s: float = Field(
        default=300,
        ge=0,
        le=86_400,
        description="Seconds more for a server that may have to load the model first, such as Ollama.",
    )
    request_timeout_s: float = Field(
        default=300, gt=0, le=86_400, description="Seconds for one attempt as a whole."
    )
    attempts: int = Field(default=4, ge=1, le=20, description="Tries of one request before its entry fails.")
    breaker_failures: int = Field(
        default=5, ge=1, le=1000, description="Failures in a row after which a deployment is left alone."
    )
    breaker_wait_s: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="Seconds to wait for a deployment that is left alone before the step fails.",
    )
    gateway_host: str = Field(
        default="127.0.0.1",
        description="Address that the gateway listens on; beyond the loopback only once there is an API key.",
    )
    gateway_port: int = Field(
        default=8700, ge=0, le=65_535, description="Port of the gateway; 0 for a free one."
    )
    gateway_at_once: int = Field(
        default=64, ge=1, le=4096, description="Requests that the gateway asks models at once."
    )
    gateway_waiting: int = Field(
        default=256,
        ge=0,
        le=65_536,
        description="Requests of each class, interactive and batch, that may wait at the gateway; more get a 429.",
    )
    gateway_max_body: ByteSize = Field(
        default=ByteSize(32 * _MIB), ge=1024, description="Bytes of one request's body to the gateway."
    )
    gateway_bytes_in_flight: ByteSize = Field(
        default=ByteSize(256 * _MIB),
        ge=_MIB,
        description="Bytes of request bodies that the gateway has under way at once.",
    )
    gateway_deadline_s: float = Field(
        default=600, gt=0, le=86_400, description="Seconds for one request to the gateway as a whole."
    )
    dagster_url: str = Field(
        default="http://127.0.0.1:3000",
        pattern=r"^https?://[^\s?#@]+$",
        max_length=2048,
        description="Address of Dagster's web server, where the console starts runs.",
    )
    gpu_sample_s: float = Field(
        default=2,
        ge=0,
        le=3600,
        description="Seconds between samples of memory and load of all devices while a stage asks; 0 takes none.",
    )
    preview_long_side: int = Field(
        default=1024, ge=64, le=8192, description="Long side, in pixels, of the pictures that models see."
    )
    preview_quality: int = Field(
        default=88, ge=1, le=100, description="JPEG quality of the pictures that models see."
    )
    max_pixels: int = Field(
        default=100_000_000, ge=1, le=1_000_000_000, description="Photos with more pixels are not decoded."
    )
    max_file_bytes: ByteSize = Field(
        default=ByteSize(300 * _MIB), ge=1, description="Photos larger than this are not decoded."
    )
    kept_answers_days: int = Field(
        default=365, ge=0, le=36_500, description="Days for which a model's raw answer is kept for recall."
    )
    kept_answers_mib: int = Field(
        default=2048, ge=0, description="MiB of raw answers kept for recall; the oldest go first."
    )
    allow_remote: bool = Field(
        default=False,
        description="Consent to send photos to deployments outside this machine and its private network.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _say_it_in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        try:
            return handler(data)
        except ValidationError as error:
            raise SettingsError("\n".join(_complaints(error, data))) from None

    def masked(self) -> dict[str, object]:
        """Every setting as a plain value for printing, without secrets."""
        plain: dict[str, object] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name == "state_url" and value is not None:
                plain[name] = masked_url(value.get_secret_value())
            elif isinstance(value, SecretStr):
                plain[name] = MASK
            elif isinstance(value, Path):
                plain[name] = path_text(value)
            elif isinstance(value, ByteSize):
                plain[name] = int(value)
            else:
                plain[name] = value
        return plain


def masked_url(url: str) -> str:
    """`url` with its password, in the authority or in the query, replaced by asterisks; all of it if it is none."""
    parts = _STATE_URL.fullmatch(url)
    if parts is None:
        return MASK
    password = "" if parts["password"] is None else f":{MASK}"
    user = "" if parts["user"] is None else f"{parts['user']}{password}@"
    query = [
        (key, MASK if _SECRET.search(key) else value)
        for key, value in parse_qsl(parts["query"] or "", keep_blank_values=True)
    ]
    shown = f"?{urlencode(query, safe='*/')}" if query else ""
    return f"{parts['scheme']}{user}{parts['place']}{shown}"


def unknown_variables(environ: Iterable[str]) -> list[str]:
    """Names in `environ` that start with `IMAGEWORKS_` and that no setting reads, sorted."""
    known = {variable(name) for name in Settings.model_fields}
    return sorted(name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def variable(field: str) -> str:
    """The environment variable of a field: `home` → `IMAGEWORKS_HOME`."""
    return f"{PREFIX}{field.upper()}"


def _complaints(error: ValidationError, data: Any) -> Iterable[str]:
    for problem in error.errors(include_url=False, include_context=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        info = Settings.model_fields.get(field)
        if info is None:
            near = difflib.get_close_matches(field, Settings.model_fields, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            yield f"There is no setting `{field}`.{hint}"
            continue
        given = data.get(field) if isinstance(data, dict) else None
        shown = "" if field == "state_url" or given is None else f" is {str(given)!r}, which"
        reason = problem["msg"].removeprefix("Value error, ")
        reason = reason[:1].lower() + reason[1:]
        link = " cannot be used:" if shown else ":"
        default = info.default
        example = f" The default is {default}." if default is not None else ""
        yield f"{variable(field)}{shown}{link} {reason}. {info.description}{example}"
