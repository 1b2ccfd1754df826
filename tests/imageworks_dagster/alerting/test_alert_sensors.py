"""What is told of runs that failed, as Dagster's daemon evaluates the sensors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import dagster as dg
import pytest
import stamina
from alert_desks import MailDesk, WebhookDesk
from made_up_photos import write_photo
from pydantic import SecretStr

from imageworks_dagster.alerting.alerts import alert_of
from imageworks_dagster.errors import AlertNotDelivered
from imageworks_dagster.run_process import close_dead_runs

pytestmark = pytest.mark.slow

WEBHOOK, MAIL = "alert_webhook_url_sensor", "alert_email_to_sensor"
TAGS_OF_A_CHILD = (
    "import json; from imageworks_dagster.run_process import process_tags; print(json.dumps(process_tags()))"
)


@pytest.fixture(autouse=True)
def _no_waits():
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def desk():
    with WebhookDesk() as desk:
        yield desk


@pytest.fixture
def platform(platform_on_disk, desk):
    platform_on_disk.settings = platform_on_disk.settings.model_copy(
        update={
            "alert_webhook_url": SecretStr(f"{desk.url}/hooks/T0K3N"),
            "dagster_url": "http://ui.example/",
        }
    )
    return platform_on_disk


@dg.op
def nothing():
    pass


@dg.job
def judge():
    nothing()


def failed_run(platform, batch="spring-round", **tags):
    """A run whose process was killed, closed as the upkeep sensor closes it."""
    child = subprocess.run(
        [sys.executable, "-c", TAGS_OF_A_CHILD], capture_output=True, check=True, text=True
    )
    run = platform.instance.create_run_for_job(
        judge,
        tags={**json.loads(child.stdout), "dagster/partition": batch, **tags},
        status=dg.DagsterRunStatus.STARTED,
    )
    close_dead_runs(platform.instance)
    return run.run_id


def alert_about(platform, run_id):
    run = platform.instance.get_run_by_id(run_id)
    return alert_of(platform.instance, run, failed_at=0.0, web_url="http://ui.example")


def test_without_its_setting_a_sensor_is_off_and_says_so(platform_on_disk):
    shown = platform_on_disk.definitions()
    for sensor, variable in ((WEBHOOK, "ALERT_WEBHOOK_URL"), (MAIL, "ALERT_EMAIL_TO")):
        assert shown.resolve_sensor_def(sensor).default_status is dg.DefaultSensorStatus.STOPPED
        tick = platform_on_disk.tick(sensor, definitions=shown)
        assert tick.skip_message == f"IMAGEWORKS_{variable} is not set"


def test_a_run_that_fails_after_the_first_look_is_told_once(platform, desk, tmp_path):
    shown = platform.definitions()
    assert shown.resolve_sensor_def(WEBHOOK).default_status is dg.DefaultSensorStatus.RUNNING
    write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)
    batch = platform.register("judge", tmp_path / "Harbor")
    first = platform.tick(WEBHOOK, definitions=shown)
    shutil.rmtree(tmp_path / "Harbor")
    run_id = platform.run("judge", batch).run_id

    second = platform.tick(WEBHOOK, cursor=first.cursor, definitions=shown)
    third = platform.tick(WEBHOOK, cursor=second.cursor, definitions=shown)

    assert (second.skip_message, third.skip_message) == (
        "told of 1 failed runs",
        "no run has failed since the last look",
    )
    (body,) = desk.bodies
    assert (body["pipeline"], body["batch"], body["stage"]) == ("judge", batch, "judge/entries")
    assert body["error_class"] == "FolderUnreadable"
    assert body["url"] == f"http://ui.example/runs/{run_id}"
    assert str(tmp_path) not in json.dumps(body)


def test_what_cannot_be_delivered_fails_the_look_alone_and_is_delivered_by_a_later_one(platform, desk):
    shown = platform.definitions()
    cursor = platform.tick(WEBHOOK, definitions=shown).cursor
    runs = [failed_run(platform, f"round-{number}") for number in range(3)]
    desk.statuses.extend([503] * 3)
    with pytest.raises(Exception, match="not delivered to the webhook") as told:
        platform.tick(WEBHOOK, cursor=cursor, definitions=shown)
    assert isinstance(told.value.__cause__ or told.value, AlertNotDelivered)

    desk.bodies.clear()
    desk.statuses.extend([200, 404])
    cursor = platform.tick(WEBHOOK, cursor=cursor, definitions=shown).cursor
    platform.tick(WEBHOOK, cursor=cursor, definitions=shown)

    assert [body["run_id"] for body in desk.bodies] == [runs[0], runs[1], runs[1], runs[2]]


def test_an_email_is_sent_whatever_becomes_of_the_webhook(platform, desk):
    desk.statuses.extend([404] * 9)
    with MailDesk() as mail:
        platform.settings = platform.settings.model_copy(
            update={
                "alert_email_to": "a@club.example",
                "alert_email_port": mail.port,
                "alert_email_security": "none",
            }
        )
        shown = platform.definitions()
        cursors = {name: platform.tick(name, definitions=shown).cursor for name in (WEBHOOK, MAIL)}
        failed_run(platform)
        with pytest.raises(Exception, match="status 404"):
            platform.tick(WEBHOOK, cursor=cursors[WEBHOOK], definitions=shown)
        platform.tick(MAIL, cursor=cursors[MAIL], definitions=shown)
    assert [message["Subject"] for message in mail.messages] == ["ImageWorks: judge spring-round failed"]


def test_a_look_names_whom_an_email_did_not_reach(platform):
    with MailDesk() as mail:
        mail.unknown.add("b@club.example")
        platform.settings = platform.settings.model_copy(
            update={
                "alert_email_to": "a@club.example, b@club.example",
                "alert_email_port": mail.port,
                "alert_email_security": "none",
            }
        )
        shown = platform.definitions()
        cursor = platform.tick(MAIL, definitions=shown).cursor
        failed_run(platform)
        tick = platform.tick(MAIL, cursor=cursor, definitions=shown)
    assert tick.skip_message == (
        "told of 1 failed runs, but not b@club.example: the mail server refuses that address"
    )


def test_a_killed_run_says_that_its_process_is_gone(platform):
    alert = alert_about(platform, failed_run(platform, **{"dagster/will_retry": "true"}))
    assert (alert.stage, alert.error_class, alert.tried_again) == (None, None, True)
    assert alert.text.splitlines()[:2] == [
        "Its process ended without saying so (killed, or the machine stopped).",
        "Dagster tries it again by itself.",
    ]


def test_a_blocking_check_that_failed_is_named(platform):
    check = dg.AssetCheckSpec("every_entry_accounted_for", asset=["judge", "critiques"], blocking=True)

    @dg.asset(key=["judge", "critiques"], check_specs=[check])
    def critiques():
        yield dg.AssetCheckResult(passed=False)
        yield dg.MaterializeResult()

    done = dg.materialize([critiques], instance=platform.instance, raise_on_error=False)

    alert = alert_about(platform, done.run_id)
    assert alert.pipeline == "judge"
    assert alert.stage == "judge/critiques"
    assert alert.error_class == "DagsterAssetCheckFailedError"
    assert alert.failed_checks == ("judge/critiques: every_entry_accounted_for",)
    assert "Failed checks: judge/critiques: every_entry_accounted_for." in alert.text
