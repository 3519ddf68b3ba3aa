"""Messages over real sockets: signed, tried again, bounded in time, and never to a private place."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring import outbox
from monitoring.models import Notification, Notifier
from monitoring.notifier_settings import MOST_TESTS, try_notifier
from monitoring.notifiers import posting
from monitoring.notifiers.slack import escape
from monitoring.notifiers.webhook import new_secret
from ragadmin.errors import RateLimited
from tenants.audit import record_event
from tenants.models import AuditEvent
from tests.monitoring.alerting import make_notifier
from tests.monitoring.receiving import answer, receiving

OK = answer("200 OK", body=b"thanks")


@pytest.fixture(autouse=True)
def local_receivers(settings):
    """What an operator lists; and nobody's messages but the test's own."""
    settings.PRIVATE_SOURCE_HOSTS = ["127.0.0.1"]
    Notifier.objects.all().delete()
    yield
    Notifier.objects.all().delete()


def waiting(notifier) -> Notification:
    payload = {"notifier": notifier.name}
    return Notification.objects.create(notifier=notifier, event="test", payload=payload)


def fresh(notification) -> Notification:
    return Notification.objects.get(pk=notification.pk)


def test_a_webhook_is_signed_over_its_id_time_and_body():
    secret = new_secret()
    with receiving(OK) as receiver:
        sent = waiting(make_notifier(kind="webhook", url=receiver.url, secret=secret))
        outbox.send_due()
    assert fresh(sent).status == "sent"
    headers, body = receiver.requests[0]
    assert headers["webhook-id"] == str(sent.pk)
    signed = f"{sent.pk}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # The receiver of the test lowers the case of headers.
    assert headers["webhook-signature"] == f"v1,{expected}".lower()
    assert json.loads(body)["type"] == "test"


def test_a_server_that_fails_is_tried_again_with_the_same_id_until_it_takes_it():
    with receiving(answer("500 Oops"), answer("503 Busy"), OK) as receiver:
        notifier = make_notifier(kind="webhook", url=receiver.url, secret=new_secret())
        sent, behind = waiting(notifier), waiting(notifier)
        now = timezone.now()
        outbox.send_due(now)
        failed = fresh(sent)
        assert failed.status == "waiting"
        assert "500" in failed.last_error
        wait = failed.next_attempt_at - now
        assert timedelta(seconds=20) < wait < timedelta(seconds=40)
        assert fresh(behind).next_attempt_at >= failed.next_attempt_at, "it waits as well"
        assert outbox.send_due(now) == 0
        outbox.send_due(failed.next_attempt_at)
        second = fresh(sent)
        assert second.next_attempt_at - failed.next_attempt_at > wait
        outbox.send_due(second.next_attempt_at + timedelta(minutes=5))
    assert fresh(sent).status == fresh(behind).status == "sent"
    assert len({headers["webhook-id"] for headers, _ in receiver.requests[:3]}) == 1


def test_after_the_last_try_it_has_failed_and_says_why():
    with receiving(answer("500 Oops")) as receiver:
        sent = waiting(make_notifier(kind="slack", url=receiver.url))
        Notification.objects.filter(pk=sent.pk).update(attempts=outbox.MOST_ATTEMPTS - 1)
        outbox.send_due()
    assert fresh(sent).status == "failed"
    assert fresh(sent).last_error == "It answers 500 Internal Server Error."


def test_what_another_try_cannot_help_is_not_tried_again():
    private = answer("302 Found", "Location: http://169.254.169.254/latest/meta-data/")
    with receiving(private) as redirecting, receiving(answer("404 Gone")) as missing:
        redirected = waiting(
            make_notifier(kind="webhook", url=redirecting.url, secret=new_secret())
        )
        unknown = waiting(make_notifier(kind="slack", url=missing.url))
        outbox.send_due()
    assert fresh(redirected).status == fresh(unknown).status == "failed"
    assert "redirect, which is not followed" in fresh(redirected).last_error


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "0x7f000001"]
)
def test_private_addresses_are_refused_after_the_name_is_resolved(settings, host):
    settings.PRIVATE_SOURCE_HOSTS = []
    sent = waiting(make_notifier(kind="slack", url=f"http://{host}:9/hook"))
    outbox.send_due()
    assert fresh(sent).status == "failed"
    assert "private address" in fresh(sent).last_error


def test_a_receiver_that_hangs_is_given_up_and_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(posting, "WHOLE_SECONDS", 0.3)
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with receiving(hangs=True) as silent, receiving(endless) as talking, receiving(OK) as quick:
        hung = waiting(make_notifier(kind="slack", url=silent.url))
        cut = waiting(make_notifier(kind="slack", url=talking.url))
        taken = waiting(make_notifier(kind="slack", url=quick.url))
        outbox.send_due()
        error = fresh(hung).last_error
    assert error.startswith("No answer within")
    assert fresh(hung).status == fresh(cut).status == "waiting"
    assert fresh(taken).status == "sent"


def test_slack_is_told_in_text_and_blocks_and_no_name_becomes_a_call_to_everybody():
    with receiving(OK) as receiver:
        waiting(make_notifier(kind="slack", url=receiver.url, name="<!channel> & co"))
        outbox.send_due()
    body = json.loads(receiver.requests[0][1])
    assert escape("<!channel> & co") in body["text"]
    assert body["blocks"][0]["type"] == "header"
    assert "<!channel>" not in body["blocks"][1]["text"]["text"]


def test_mail_goes_by_a_real_server_and_a_refused_address_fails(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_URL, settings.EMAIL_HOST = "smtp://127.0.0.1", "127.0.0.1"
    with receiving(smtp=True) as server:
        settings.EMAIL_PORT = server.port
        sent = waiting(make_notifier(target="ops@example.com\nboss@example.com"))
        refused = waiting(make_notifier(target="refused@example.com"))
        outbox.send_due()
    assert fresh(sent).status == "sent"
    assert "To: ops@example.com, boss@example.com" in server.mails[0]
    assert f"Message-ID: <{sent.pk}@" in server.mails[0]
    assert fresh(refused).status == "failed"


def test_without_a_mail_server_a_mail_fails_and_says_so():
    sent = waiting(make_notifier())
    outbox.send_due()
    assert fresh(sent).status == "failed"
    assert "EMAIL_URL is not set" in fresh(sent).last_error


def test_a_message_in_the_hands_of_a_dead_worker_is_sent_by_another():
    with receiving(OK) as receiver:
        sent = waiting(make_notifier(kind="slack", url=receiver.url))
        now = timezone.now()
        outbox._claim(now)
        assert outbox.send_due(now) == 0
        assert outbox.send_due(now + outbox.LEASE) == 1
    assert fresh(sent).attempts == 2
    assert fresh(sent).status == "sent"


def test_a_test_says_what_became_of_it_and_cannot_be_used_to_flood():
    with receiving(answer("500 Oops")) as receiver:
        notifier = make_notifier(kind="slack", url=receiver.url)
        error = try_notifier(notifier, actor=None)
        assert error.message == "It answers 500 Internal Server Error."
        assert Notification.objects.get(notifier=notifier).status == "failed"
        for _ in range(MOST_TESTS):
            record_event("notifier.tested", actor=None)
        # Its messages go with a notifier, and the tests of the hour do not.
        another = make_notifier(kind="slack", url=receiver.url)
        notifier.delete()
        with pytest.raises(RateLimited):
            try_notifier(another, actor=None)
    AuditEvent.objects.filter(action="notifier.tested").delete()


def test_nothing_is_sent_for_a_notifier_that_was_disabled_meanwhile():
    notifier = make_notifier(kind="slack", url="http://127.0.0.1:9/")
    sent = waiting(notifier)
    Notifier.objects.filter(pk=notifier.pk).update(is_enabled=False)
    outbox.send_due()
    assert fresh(sent).last_error == "The notifier is disabled."


def test_a_message_that_cannot_be_written_holds_up_no_other(monkeypatch):
    def broken(_):
        raise ValueError

    monkeypatch.setitem(outbox.WRITERS, "report", broken)
    with receiving(OK) as receiver:
        notifiers = [make_notifier(kind="slack", url=receiver.url) for _ in range(3)]
        written, unwritten, unknown = map(waiting, notifiers)
        Notification.objects.filter(pk=unwritten.pk).update(event="report")
        Notification.objects.filter(pk=unknown.pk).update(event="other")
        outbox.send_due()
    assert fresh(written).status == "sent"
    assert (fresh(unwritten).status, fresh(unknown).status) == ("waiting", "failed")
    assert fresh(unwritten).last_error == "It could not be written (ValueError)."
