"""How an alert is delivered: by a POST of JSON to a webhook, or by e-mail through a mail server.

Dagster's own `make_email_on_run_failure_sensor` waits for a mail server without a limit, cannot do without a password,
and sends an error's words; so this is `smtplib`, with a timeout.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import stamina

from imageworks_dagster.errors import AlertNotDelivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageworks_dagster.alerting.alerts import Alert
    from store.settings import Settings

TRIES = 3
LONGEST_WAIT_S = 2.0
_LATER = 500
_TEMPORARY = frozenset({408, 425, 429})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _AgainLater(Exception):
    """A try failed for a reason that may pass; the message says which, and holds no secret."""


@dataclass(frozen=True)
class Webhook:
    """A URL that takes JSON.

    Attributes:
        url: where; a secret, so messages name its host alone.
        timeout_s: seconds for one try.
    """

    url: str
    timeout_s: float

    def send(self, alert: Alert) -> tuple[str, ...]:
        """Deliver it.

        Returns:
            Whom it did not reach; nobody, of a webhook.

        Raises:
            AlertNotDelivered: it was refused, or could not be delivered in a few tries.
        """
        host = urlsplit(self.url).hostname
        return _deliver(f"the webhook at {host} (IMAGEWORKS_ALERT_WEBHOOK_URL)", lambda: self._try(alert))

    def _try(self, alert: Alert) -> tuple[str, ...]:
        try:
            # What it answers is not read, and where it sends us to is not followed: its status says all.
            with (
                httpx.Client(timeout=self.timeout_s, follow_redirects=False) as client,
                client.stream("POST", self.url, json=alert.as_json()) as answer,
            ):
                status = answer.status_code
        except httpx.HTTPError as error:
            # Not the error's words: they may quote the URL.
            raise _AgainLater(type(error).__name__) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            # No name that a host can have; what is wrong with it stands in the words of neither.
            raise AlertNotDelivered(type(error).__name__) from None
        if status >= _LATER or status in _TEMPORARY:
            raise _AgainLater(f"status {status}")
        if not answer.is_success:
            raise AlertNotDelivered(f"status {status}")
        return ()


@dataclass(frozen=True)
class Mail:
    """Addresses, and the mail server that takes what is for them.

    Attributes:
        recipients: who is written to.
        sender: who writes.
        host: the server.
        port: its port.
        security: ``starttls``, ``tls`` or ``none``.
        user: the user there; None where it asks for none.
        password: the user's password.
        timeout_s: seconds for one answer of the server.
    """

    recipients: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: str
    user: str | None
    password: str | None
    timeout_s: float

    def send(self, alert: Alert) -> tuple[str, ...]:
        """Deliver it.

        Returns:
            The recipients that the server refuses, while the others have it.

        Raises:
            AlertNotDelivered: it was refused, or could not be delivered in a few tries.
        """
        if self.user and self.security == "none" and self.host not in _LOOPBACK:
            raise AlertNotDelivered(
                f"No alert is sent through {self.host}: a password would cross the network in the open. Set "
                "IMAGEWORKS_ALERT_EMAIL_SECURITY to starttls or tls."
            )
        # One message whose id stays, so that a try that was taken after all shows as the same message.
        message = self._message(alert)
        return _deliver(
            f"the mail server {self.host}:{self.port} (IMAGEWORKS_ALERT_EMAIL_*)", lambda: self._try(message)
        )

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = alert.subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="imageworks.invalid")
        # Out-of-office programs leave such messages alone.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(alert.text)
        return message

    def _try(self, message: EmailMessage) -> tuple[str, ...]:
        try:
            with self._connection() as server:
                if self.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password or "")
                return tuple(server.send_message(message))
        except smtplib.SMTPResponseException as error:
            # Not the server's words: they may quote what it was told.
            problem = f"{type(error).__name__} {error.smtp_code}"
            if error.smtp_code < _LATER:
                raise _AgainLater(problem) from None
            raise AlertNotDelivered(problem) from None
        except (ssl.SSLCertVerificationError, smtplib.SMTPNotSupportedError) as error:
            raise AlertNotDelivered(type(error).__name__) from None
        except (smtplib.SMTPException, OSError) as error:
            raise _AgainLater(type(error).__name__) from None

    def _connection(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)


Channel = Webhook | Mail


def webhook_of(settings: Settings) -> Webhook | None:
    """The webhook that is set; None without one."""
    if settings.alert_webhook_url is None:
        return None
    return Webhook(settings.alert_webhook_url.get_secret_value(), settings.alert_timeout_s)


def mail_of(settings: Settings) -> Mail | None:
    """The addresses and the mail server that are set; None without addresses."""
    if settings.alert_email_to is None:
        return None
    recipients = tuple(one.strip() for one in settings.alert_email_to.split(","))
    password = settings.alert_email_password
    return Mail(
        recipients=recipients,
        sender=settings.alert_email_from or recipients[0],
        host=settings.alert_email_host,
        port=settings.alert_email_port,
        security=settings.alert_email_security,
        user=settings.alert_email_user,
        password=password.get_secret_value() if password else None,
        timeout_s=settings.alert_timeout_s,
    )


def _deliver(where: str, attempt: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    trying = stamina.RetryingCaller(attempts=TRIES, wait_initial=0.5, wait_max=LONGEST_WAIT_S)
    try:
        return trying(_AgainLater, attempt)
    except (_AgainLater, AlertNotDelivered) as problem:
        raise AlertNotDelivered(
            f"An alert was not delivered to {where}: {problem}. Runs go on; it is tried again at the next look, "
            "for a day."
        ) from None
