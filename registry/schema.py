"""What the registry says about a model."""

# Annotations are read by pydantic when the classes are made, so their names are imported at run time.

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - see above
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from registry.addresses import expand, is_private, missing_variables, problem_with_url
from registry.digests import digest
from registry.errors import BadDeploymentUrl
from registry.parameters import CANONICAL, ParameterName, ParameterValue, problem_with

Role = Literal["judge", "pairwise", "caption", "keywords", "description", "iqa"]
Provider = Literal["vllm", "ollama", "trtllm", "tf_iqa", "openai", "gateway", "embedded"]
Need = Literal["chat", "vision", "iqa", "structured_output"]

ROLES: tuple[str, ...] = get_args(Role)
PROVIDERS: tuple[str, ...] = get_args(Provider)
NEEDS: tuple[str, ...] = get_args(Need)


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Order a set that is written as a list, so that its order means nothing."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands twice; keep it once")
    order = {value: place for place, value in enumerate((*ROLES, *CANONICAL))}
    return tuple(sorted(values, key=lambda value: (order.get(value, len(order)), value)))


def _no_twice(values: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the order of a list whose order means something."""
    _each_once(values)
    return values


MIG_PROFILE = r"^[0-9]g\.[0-9]{1,3}gb(\+[a-z.]+)?$"
"""Of a slice, as NVML names it: 1g.12gb."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=64)]
Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@()+-]*$", max_length=128)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
# No control characters: these are shown on terminals.
Text = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True, defer_build=True
    )


class ChatLimits(_Part):
    """What a model that writes text can do."""

    context_tokens: int = Field(ge=1, description="Tokens of prompt and answer together.")
    max_output_tokens: int = Field(ge=1, description="Tokens of one answer at most.")
    structured_output: bool = Field(description="Whether answers can be held to a JSON schema.")


class VisionLimits(_Part):
    """What a model that sees can take."""

    max_images: int = Field(ge=1, description="Pictures in one request at most.")
    max_long_side: int = Field(ge=32, description="Pixels of a picture's long side at most.")


class IqaLimits(_Part):
    """What an image-quality model measures."""

    metrics: Annotated[tuple[Text, ...], AfterValidator(_each_once)] = Field(
        min_length=1, description="Names of the measures, as the service calls them."
    )


class Capabilities(_Part):
    """What a model can do; a missing block means that it cannot."""

    chat: ChatLimits | None = Field(default=None, description="It writes text.")
    vision: VisionLimits | None = Field(default=None, description="It sees pictures.")
    iqa: IqaLimits | None = Field(default=None, description="It measures image quality.")


class DeclaredDevice(_Part):
    """A device that models are leased on, as its operator describes it."""

    kind: Literal["whole", "mig", "host"] = Field(
        default="whole", description="A whole card, one MIG slice, or a machine's own memory."
    )
    memory_mib: int | None = Field(
        default=None,
        ge=1,
        description="What its models may take together; of this machine's, the driver says it.",
    )
    uuid: str | None = Field(
        default=None,
        pattern=r"^(GPU|MIG)-[A-Za-z0-9-]{1,80}$",
        description="The driver's id of the card or slice, as `nvidia-smi -L` prints it.",
    )
    mig_profile: str | None = Field(
        default=None, pattern=MIG_PROFILE, description="Of a slice, such as 1g.12gb."
    )


class Deployment(_Part):
    """One place where a model is served."""

    name: Name = Field(description="Name within the model, as events and manifests show it.")
    provider: Provider = Field(description="The protocol that the server speaks.")
    base_url: str | None = Field(
        default=None,
        max_length=2048,
        description="The server's address without /v1; `${VAR:-default}` is filled in from the environment.",
    )
    served_model_id: Text = Field(
        description="The model's id on that server; a file may leave it out where it is the model's name."
    )
    remote: bool = Field(
        default=False,
        description="Outside this machine and its private network: photos go there only with consent.",
    )
    api_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=128,
        description="Name of the environment variable that holds the server's key (never the key itself).",
    )
    devices: Annotated[tuple[Name, ...], AfterValidator(_no_twice)] = Field(
        default=(),
        description="Where its server can hold the model, best first; none: this machine's first card, or its memory.",
    )
    slots: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Requests that the server works on at once; by provider if not said.",
    )
    control_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=128,
        description="Name of the environment variable that holds the key to its supervisor (never the key itself).",
    )

    def url(self, environ: Mapping[str, str]) -> str:
        """Give the server's address in this environment, without a trailing slash or ``/v1``.

        Raises:
            BadDeploymentUrl: the deployment has no address, a variable that it needs is not set, or what comes out is
                not a plain http or https address.
        """
        if self.base_url is None:
            raise BadDeploymentUrl(
                f"The deployment {self.name} ({self.provider}) of {self.served_model_id} has no base_url: "
                "it runs within ImageWorks and is not asked over a network."
            )
        missing = missing_variables(self.base_url, environ)
        if missing:
            raise BadDeploymentUrl(
                f"The deployment {self.name} of {self.served_model_id} is at {self.base_url}, "
                f"but {' and '.join(missing)} is not set. Set it to the server's address, "
                f"or give a default: ${{{missing[0]}:-http://host:port}}."
            )
        url = expand(self.base_url, environ)
        problem = problem_with_url(url)
        if problem is not None:
            # The address itself is not shown: what made it unusable may be a password.
            raise BadDeploymentUrl(
                f"The address of the deployment {self.name} of {self.served_model_id}, filled in from "
                f"{self.base_url}, {problem}."
            )
        return url

    def needs_consent(self, environ: Mapping[str, str]) -> bool:
        """Tell whether photos would leave the private network: it is marked remote, or its address is public.

        Raises:
            BadDeploymentUrl: as `url`.
        """
        if self.remote:
            return True
        return self.base_url is not None and not is_private(self.url(environ))


class Footprint(_Part):
    """How much memory a resident of this model takes."""

    vram_mib: int = Field(ge=0, description="Memory of the device in MiB, weights and cache together.")
    source: Text = Field(description="Where the figure comes from: measured where, or estimated how.")


class Placement(_Part):
    """Where a model likes to be."""

    prefer: Literal["whole", "mig"] = Field(default="whole", description="A whole card, or a MIG slice.")
    mig_profile: str | None = Field(
        default=None,
        pattern=MIG_PROFILE,
        description="The smallest MIG profile that it fits into, such as 1g.12gb.",
    )
    tags: Annotated[tuple[Tag, ...], AfterValidator(_each_once)] = Field(
        default=(), description="Coexistence tags: models that share one may share a device."
    )
    exclusive: bool = Field(default=False, description="Nothing else may be on the device.")


class Limit(_Part):
    """The range that a model allows a parameter."""

    min: float | None = Field(default=None, description="Smallest value allowed.")
    max: float | None = Field(default=None, description="Largest value allowed.")


class Parameters(_Part):
    """The parameters that a model takes, by their canonical names."""

    defaults: dict[ParameterName, ParameterValue] = Field(
        default_factory=dict, description="Values used where neither profile nor caller says otherwise."
    )
    allowed: Annotated[tuple[ParameterName, ...], AfterValidator(_each_once)] = Field(
        default=CANONICAL, description="Names that may be sent; any other is dropped and reported."
    )
    limits: dict[ParameterName, Limit] = Field(
        default_factory=dict, description="Ranges narrower than the parameter's own."
    )

    def problem_with(self, name: str, value: object) -> str | None:
        """Say what is wrong with a parameter's value for this model; None where nothing is."""
        problem = problem_with(name, value)
        if problem is not None:
            return problem
        limit = next((limit for limited, limit in self.limits.items() if limited == name), None)
        if limit is None or not isinstance(value, int | float):
            return None
        if limit.min is not None and value < limit.min:
            return f"is below this model's limit of {limit.min:g}"
        if limit.max is not None and value > limit.max:
            return f"is above this model's limit of {limit.max:g}"
        return None


class Model(_Part):
    """A logical model: the name callers use. All its deployments are answer-equivalent."""

    name: Name = Field(description="The model's name; another quantization is another model.")
    aliases: Annotated[tuple[Alias, ...], AfterValidator(_each_once)] = Field(
        default=(), description="Other names that resolve to it."
    )
    description: str = Field(
        default="",
        max_length=2000,
        pattern=r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$",
        description="What it is, in a sentence or two.",
    )
    roles: Annotated[tuple[Role, ...], AfterValidator(_each_once)] = Field(
        default=(), description="Model roles that it may be given."
    )
    capabilities: Capabilities = Field(description="What it can do.")
    deployments: tuple[Deployment, ...] = Field(
        min_length=1, description="Where it is served, in order of preference."
    )
    footprint: Footprint | None = Field(default=None, description="Memory that it takes.")
    placement: Placement = Field(default_factory=Placement, description="Where it likes to be.")
    parameters: Parameters = Field(default_factory=Parameters, description="Parameters that it takes.")
    revision: Text = Field(
        default="1",
        description="Which weights answer: change it when they change. Embedded models get their code's digest.",
    )
    deprecated: bool = Field(default=False, description="Still works; a newer one should be used.")

    # Kept: every request's digest holds it.
    @cached_property
    def model_revision(self) -> str:
        """SHA-256, in hex, of what influences an answer.

        Name, revision, ids on the servers, capabilities and parameters count; addresses, placement, footprint,
        aliases, roles and descriptions do not, nor does a further deployment that serves the same id.
        """
        return digest(
            {
                "name": self.name,
                "revision": self.revision,
                "served_model_ids": sorted({deployment.served_model_id for deployment in self.deployments}),
                "capabilities": self.capabilities.model_dump(mode="json"),
                "parameters": self.parameters.model_dump(mode="json"),
            }
        )

    @property
    def is_embedded(self) -> bool:
        """Tell whether it runs within ImageWorks, by rule."""
        return any(deployment.provider == "embedded" for deployment in self.deployments)

    def can(self, need: str) -> bool:
        """Tell whether the model has a capability.

        Args:
            need: one of `NEEDS`.

        Raises:
            ValueError: `need` is none of them.
        """
        if need not in NEEDS:
            raise ValueError(f"{need!r} is no capability; capabilities are {', '.join(NEEDS)}")
        if need == "structured_output":
            return self.capabilities.chat is not None and self.capabilities.chat.structured_output
        return getattr(self.capabilities, need) is not None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the model; a copy that differs has a revision of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("model_revision", None)
        return copied

    def __hash__(self) -> int:
        return hash((self.name, self.revision))
