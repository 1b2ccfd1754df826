"""Every setting, in one class, read from `IMAGEWORKS_*`."""

# The Dagster floor imports this module at definition time: nothing heavier than pydantic belongs here.

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    ByteSize,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from store.alert_settings import AlertSettings
from store.errors import SettingsError
from store.older_variables import NAMES, older_settings, set_in
from store.path_text import path_text
from store.state_url import MASK, checked_url, masked_url

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "IMAGEWORKS_"

_MIB = 1024 * 1024
_STEP = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+"
_ARTIFACTS_URL = re.compile(
    rf"(?:file://(?:/[^/\0?#@]+)+|(?!file:)[a-z][a-z0-9+.-]*://{_STEP}(?:/{_STEP})*)/?"
)


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _artifacts_url(url: str) -> str:
    # The message never quotes the value: somebody may have written a key into it.
    if not _ARTIFACTS_URL.fullmatch(url):
        raise ValueError(
            "must be s3://bucket/prefix, file:///absolute/folder or another protocol of fsspec's, in letters, digits, "
            "'.', '_' and '-', without user, password, port or query"
        )
    return url.rstrip("/")


def _part_photos(count: int) -> int:
    if count < 0 or count == 1:
        raise ValueError("must be 0, or 2 and more: a step a photo would take longer than the photos")
    return count


CONTEXT_KINDS = ("keywords", "folders", "files", "time", "notes", "places", "neighbors")


def _kinds_of_context(text: str) -> str:
    wrong = sorted(set(_parts(text)) - {*CONTEXT_KINDS})
    if wrong:
        raise ValueError(
            f"there is no {' and no '.join(map(repr, wrong))}; there are {', '.join(CONTEXT_KINDS)}, or none"
        )
    return text


def _parts(text: str) -> list[str]:
    """The words of a list with commas; `none` has none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    return [] if words == ["none"] else words


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(AlertSettings, BaseSettings):
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
    state_url: Annotated[SecretStr, AfterValidator(checked_url)] | None = Field(
        default=None,
        description="PostgreSQL URL of the state database; unset means SQLite in the home folder.",
    )
    artifacts_url: Annotated[str, AfterValidator(_artifacts_url)] | None = Field(
        default=None,
        description=(
            "Where the tables of assets are, such as s3://bucket/prefix or file:///shared/folder; unset means assets/ "
            "in the home folder. Endpoint and credentials come from the store's own variables, such as "
            "AWS_ENDPOINT_URL."
        ),
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
    step_ttl_s: float = Field(
        default=60,
        ge=2,
        le=3600,
        description=(
            "Seconds after which a step whose Celery worker says nothing any longer is started again by another."
        ),
    )
    step_starts: int = Field(
        default=3, ge=1, le=100, description="Workers that a step may be lost with before its run fails."
    )
    part_photos: Annotated[int, AfterValidator(_part_photos)] = Field(
        default=0,
        le=100_000,
        description=(
            "Photos that one step of a stage works on at most: a larger batch is divided into parts, each a step that "
            "any worker may take, 32 at most; 0 gives every stage one step. The same for the web server, the daemon "
            "and whoever carries out runs; a worker divides as the run does, whatever it is set to."
        ),
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
    library: AbsolutePath | None = Field(
        default=None,
        description="Photo library whose folders are tagged as they change, batch by batch.",
    )
    library_batch: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Photos that a batch cut from the library should have at most.",
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
    judge_iqa: Literal["off", "chosen"] = Field(
        default="chosen",
        description=(
            "Image-quality models in judging: `chosen` asks the one that a batch names, `off` asks none and measures "
            "only, whatever a batch names."
        ),
    )
    judge_panel: Literal["off", "chosen"] = Field(
        default="chosen",
        description=(
            "Panels of judges: `chosen` asks all that a batch names, `off` asks the one judge, whatever a batch names."
        ),
    )
    judge_prompts: Literal["files", "label"] = Field(
        default="files",
        description=(
            "What judging asks with where nobody has chosen a prompt: what the `files` say, or the revision with the "
            "`label` production."
        ),
    )
    tagger_prompts: Literal["files", "label"] = Field(
        default="files",
        description=(
            "What tagging asks with where nobody has chosen a prompt: what the `files` say, or the revision with the "
            "`label` production."
        ),
    )
    tagger_writing: Literal["off", "on"] = Field(
        default="on",
        description=(
            "Whether tags may be written into files when somebody asks for it; `off` refuses, and an undo still works."
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
    tag_context: Annotated[str, AfterValidator(_kinds_of_context)] = Field(
        default="keywords,folders,files,time,notes",
        description=(
            "What tagging prompts are told besides the picture: any of keywords, folders, files, time, notes, places "
            "and neighbors, with commas between, or `none`."
        ),
    )
    share_bursts: bool = Field(
        default=False,
        description="Ask about one of the frames of a burst that look alike, and give its answer to all of them.",
    )
    burst_gap_s: float = Field(
        default=2, ge=0, le=3600, description="Seconds from one frame of a burst to the next at most."
    )
    vocabulary: AbsolutePath | None = Field(
        default=None,
        description=(
            "File of the keywords that are wanted, a plain list or Lightroom's export; unset means that every word is."
        ),
    )
    vocabulary_strict: bool = Field(
        default=False,
        description="Write only the vocabulary's keywords; what it does not have stays a suggestion in the tables.",
    )
    keyword_language: str = Field(
        default="en",
        pattern=r"^[a-z]{2,4}$",
        description="Language of the keywords, to see that trees are a tree; `none` compares them as they are spelled.",
    )
    keyword_samples: int = Field(
        default=1, ge=1, le=9, description="How many times a photo's keywords are asked for."
    )
    keyword_agreement: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the samples that have to give a keyword, 0-1; with one sample all are kept.",
    )
    sidecar_names: Literal["adobe", "darktable"] = Field(
        default="adobe",
        description=(
            "How sidecars of raw files, HEIC, AVIF and JPEG XL are named: `adobe` for photo.xmp (Lightroom, Bridge), "
            "`darktable` for photo.cr2.xmp (darktable, digiKam)."
        ),
    )
    kept_answers_days: int = Field(
        default=365, ge=0, le=36_500, description="Days for which a model's raw answer is kept for recall."
    )
    kept_answers_mib: int = Field(
        default=2048, ge=0, description="MiB of raw answers kept for recall; the oldest go first."
    )
    telemetry_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days for which events, decisions and GPU samples are kept besides today; 0 keeps them for ever.",
    )
    allow_remote: bool = Field(
        default=False,
        description="Consent to send photos to deployments outside this machine and its private network.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given by name, then `IMAGEWORKS_*`, then variables of the proxy-orchestrated set-up."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _Older(settings_cls)

    @model_validator(mode="wrap")
    @classmethod
    def _say_it_in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        try:
            return handler(data)
        except ValidationError as error:
            raise SettingsError("\n".join(_complaints(error, data))) from None

    @property
    def tag_context_kinds(self) -> frozenset[str]:
        """What tagging prompts are told, by kind."""
        return frozenset(_parts(self.tag_context))

    def masked(self) -> dict[str, object]:
        """Every setting as a plain value for printing, without secrets."""
        plain: dict[str, object] = {}
        # Those of alerts last: pydantic has what is inherited before the others.
        for name in sorted(type(self).model_fields, key=AlertSettings.model_fields.__contains__):
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


class _Older(PydanticBaseSettingsSource):
    """What is set by variables of the proxy-orchestrated set-up; see `store.older_variables`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Demanded by the base class; all fields are given at once."""
        raise NotImplementedError(f"{field_name} of {field}")

    def __call__(self) -> dict[str, Any]:
        return dict(older_settings(os.environ))


def unknown_variables(environ: Iterable[str]) -> list[str]:
    """Names in `environ` that start with `IMAGEWORKS_` and that nothing knows, sorted."""
    known = {variable(name) for name in Settings.model_fields} | NAMES
    return sorted(name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known)


def variable(field: str) -> str:
    """The environment variable of a field: `home` → `IMAGEWORKS_HOME`."""
    return f"{PREFIX}{field.upper()}"


def _is_secret(annotation: Any) -> bool:
    """Whether a value of this type is never shown."""
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


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
        secret = _is_secret(info.annotation) or field == "artifacts_url"
        shown = "" if secret or given is None else f" is {str(given)!r}, which"
        reason = problem["msg"].removeprefix("Value error, ")
        reason = reason[:1].lower() + reason[1:]
        link = " cannot be used:" if shown else ":"
        default = info.default
        example = f" The default is {default}." if default is not None else ""
        yield f"{_named(field, given)}{shown}{link} {reason}. {info.description}{example}"


def _named(field: str, given: object) -> str:
    """The variable that somebody set: ours, or the older one that the value came from."""
    older = [one.name for one in set_in(os.environ) if one.setting == field]
    ours = os.environ.get(variable(field))
    return (
        f"{variable(field)}, by {older[0]}," if older and not ours and given is not None else variable(field)
    )
