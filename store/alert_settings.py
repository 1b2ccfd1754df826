"""The settings of alerts: who is told of a run that failed, and how; `store.settings` has them in its class."""

# The Dagster floor imports this module at definition time: nothing heavier than pydantic belongs here.

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr

_WEBHOOK = re.compile(r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?")
_ADDRESS = re.compile(r"[^\s@,<>()\"]+@[^\s@,<>()\"]+")


def _webhook_url(url: SecretStr) -> SecretStr:
    # The message never quotes the value: whoever knows the address of a chat's webhook may write there.
    if not _WEBHOOK.fullmatch(url.get_secret_value()):
        raise ValueError(
            "is no URL of the form http://host/path or https://host/path, without user and password"
        )
    return url


def _addresses(text: str) -> str:
    wrong = [one for one in map(str.strip, text.split(",")) if not _ADDRESS.fullmatch(one)]
    if wrong:
        raise ValueError(f"{', '.join(map(repr, wrong))} is no address such as club@example.org")
    return text


class AlertSettings(BaseModel):
    """What a person may set of alerts; a part of `store.settings.Settings`, which reads it."""

    alert_webhook_url: Annotated[SecretStr, AfterValidator(_webhook_url)] | None = Field(
        default=None,
        description="URL that is told of each run that failed, by a POST of JSON; a secret, since it may hold a token.",
    )
    alert_email_to: Annotated[str, AfterValidator(_addresses)] | None = Field(
        default=None,
        description="Addresses that are sent an e-mail about each run that failed, with commas between.",
    )
    alert_email_from: Annotated[str, AfterValidator(_addresses)] | None = Field(
        default=None, description="Sender of those e-mails; unset means the first of the addresses."
    )
    alert_email_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[^\s:/@]+$",
        description="Mail server that takes those e-mails.",
    )
    alert_email_port: int = Field(default=587, ge=1, le=65_535, description="The mail server's port.")
    alert_email_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description=(
            "How the connection to the mail server is kept from others: `starttls`, `tls` from the first byte, usually "
            "on port 465, or `none`, for a server on this machine."
        ),
    )
    alert_email_user: str | None = Field(
        default=None, description="User at the mail server; unset means that it asks for none."
    )
    alert_email_password: SecretStr | None = Field(
        default=None, description="That user's password; never sent over a connection that is open to others."
    )
    alert_timeout_s: float = Field(
        default=5, gt=0, le=10, description="Seconds for one try to deliver an alert."
    )
