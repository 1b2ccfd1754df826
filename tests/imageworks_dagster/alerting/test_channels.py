"""How alerts are delivered, to a webhook and a mail server on the loopback."""

from __future__ import annotations

import ssl

import pytest
import stamina
import trustme
from alert_desks import MailDesk, WebhookDesk

from imageworks_dagster.alerting.alerts import Alert
from imageworks_dagster.alerting.channels import TRIES, mail_of, webhook_of
from imageworks_dagster.errors import AlertNotDelivered
from store.settings import Settings

ALERT = Alert(
    run_id="0f2c",
    pipeline="judge",
    batch="spring-round",
    stage="judge/critiques",
    error_class="ModelUnreachable",
    failed_checks=(),
    tried_again=False,
    failed_at="2026-01-02T03:04:05+00:00",
    url="http://127.0.0.1:3000/runs/0f2c",
)
TOKEN = "T0K3N"
PASSWORD = "hunter2!"


@pytest.fixture(autouse=True)
def _no_waits():
    with stamina.set_testing(True, attempts=TRIES, cap=True):
        yield


@pytest.fixture
def desk():
    with WebhookDesk() as desk:
        yield desk


def webhook(desk, **changed):
    return webhook_of(Settings(alert_webhook_url=f"{desk.url}/hooks/{TOKEN}", **changed))


def mail(desk, **changed):
    settings = {"alert_email_security": "none", "alert_email_to": "a@club.example, b@club.example"} | changed
    return mail_of(Settings(alert_email_port=desk.port, **settings))


def test_without_its_setting_there_is_no_channel():
    assert webhook_of(Settings()) is None
    assert mail_of(Settings()) is None


def test_a_webhook_is_sent_the_run_the_batch_the_stage_the_class_and_the_link(desk):
    webhook(desk).send(ALERT)

    (body,) = desk.bodies
    assert body.pop("text").splitlines() == [
        "ImageWorks: judge spring-round failed",
        "Stage judge/critiques: ModelUnreachable.",
        "What it had answered is kept; materialize the batch again to go on.",
        "http://127.0.0.1:3000/runs/0f2c",
    ]
    assert body == {
        "event": "run_failed",
        "run_id": "0f2c",
        "pipeline": "judge",
        "batch": "spring-round",
        "stage": "judge/critiques",
        "error_class": "ModelUnreachable",
        "failed_checks": [],
        "tried_again": False,
        "failed_at": "2026-01-02T03:04:05+00:00",
        "url": "http://127.0.0.1:3000/runs/0f2c",
    }


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_webhook_that_cannot_take_it_now_is_asked_again(desk, status):
    desk.statuses.extend([status, status])
    webhook(desk).send(ALERT)
    assert len(desk.bodies) == TRIES


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410])
def test_a_webhook_that_refuses_or_sends_elsewhere_is_asked_once(desk, status):
    desk.statuses.append(status)
    with pytest.raises(AlertNotDelivered, match=rf"webhook at 127\.0\.0\.1 .*: status {status}\.") as told:
        webhook(desk).send(ALERT)
    assert len(desk.bodies) == 1
    assert TOKEN not in str(told.value)


def test_a_webhook_that_is_not_there_is_named_without_its_secret():
    with WebhookDesk() as gone:
        pass
    with pytest.raises(AlertNotDelivered, match="ConnectError") as told:
        webhook(gone).send(ALERT)
    assert TOKEN not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize("host", ["hooks..example.org", "xn--", "a" * 64 + ".example.org"])
def test_a_webhook_whose_name_no_host_can_have_is_told_without_its_secret(host):
    channel = webhook_of(Settings(alert_webhook_url=f"https://{host}/hooks/{TOKEN}"))
    with pytest.raises(AlertNotDelivered, match="was not delivered to the webhook") as told:
        channel.send(ALERT)
    assert TOKEN not in str(told.value)


def test_an_email_says_the_same_to_each_recipient():
    with MailDesk() as desk:
        mail(desk).send(ALERT)

    (message,) = desk.messages
    assert desk.envelopes == [("a@club.example", ("a@club.example", "b@club.example"))]
    assert message["Subject"] == "ImageWorks: judge spring-round failed"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == ALERT.text.splitlines()


def test_recipients_whom_the_server_refuses_are_told_when_others_have_the_email():
    with MailDesk() as desk:
        desk.unknown.add("b@club.example")
        assert mail(desk).send(ALERT) == ("b@club.example",)
    assert desk.envelopes == [("a@club.example", ("a@club.example",))]


def test_a_mail_server_that_cannot_take_it_now_is_asked_again_with_the_same_message():
    with MailDesk() as desk:
        desk.replies.extend(["451 later", "421 later"])
        mail(desk, alert_email_from="judge@club.example").send(ALERT)
    assert [sender for sender, _ in desk.envelopes] == ["judge@club.example"] * TRIES
    assert len(desk.messages) == 1


def test_a_mail_server_that_refuses_is_asked_once_and_not_quoted():
    with MailDesk() as desk:
        desk.replies.append(f"550 no {PASSWORD}")
        with pytest.raises(AlertNotDelivered, match=r"SMTPDataError 550\.") as told:
            mail(desk).send(ALERT)
    assert len(desk.envelopes) == 1
    assert PASSWORD not in str(told.value)


@pytest.fixture
def encrypted(monkeypatch, tmp_path):
    """The context of a server whose certificate this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_password_goes_over_starttls(encrypted):
    with MailDesk(tls=encrypted, password=PASSWORD) as desk:
        mail(
            desk, alert_email_security="starttls", alert_email_user="judge", alert_email_password=PASSWORD
        ).send(ALERT)
    assert desk.logins == ["judge"]
    assert len(desk.messages) == 1


def test_a_wrong_password_is_refused_once_and_not_told(encrypted):
    with (
        MailDesk(tls=encrypted, password="another") as desk,
        pytest.raises(AlertNotDelivered, match="SMTPAuthenticationError 535") as told,
    ):
        mail(
            desk, alert_email_security="starttls", alert_email_user="judge", alert_email_password=PASSWORD
        ).send(ALERT)
    assert set(desk.logins) == {"judge"}
    assert PASSWORD not in str(told.value)


def test_a_server_whose_certificate_nobody_vouches_for_is_sent_nothing(encrypted, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        MailDesk(tls=encrypted) as desk,
        pytest.raises(AlertNotDelivered, match="SSLCertVerificationError"),
    ):
        mail(desk, alert_email_security="starttls").send(ALERT)
    assert not desk.envelopes


def test_a_server_without_starttls_is_sent_nothing():
    with MailDesk() as desk, pytest.raises(AlertNotDelivered, match="SMTPNotSupportedError"):
        mail(desk, alert_email_security="starttls").send(ALERT)
    assert not desk.envelopes


def test_a_password_crosses_no_network_in_the_open():
    channel = mail_of(
        Settings(
            alert_email_to="a@club.example",
            alert_email_host="mail.club.example",
            alert_email_security="none",
            alert_email_user="judge",
            alert_email_password=PASSWORD,
        )
    )
    with pytest.raises(AlertNotDelivered, match="in the open"):
        channel.send(ALERT)
