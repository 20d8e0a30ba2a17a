"""Webhooks to a real receiver: signed, tried again, given up, sent after a restart, kept from some places."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.alarms.addresses import is_allowed
from service.errors import UnknownLetter
from tests.service.alarms.certificates import certificate
from tests.service.alarms.house import SECRET, House, house, served, until
from tests.service.alarms.receiver import Receiver, receiving
from tests.service.observed import MemoryDocuments

KEY = Webhook(SECRET.encode())


def deliver(
    test: Callable[[House, Receiver], Awaitable[None]], receiver: Receiver | None = None, **settings: Any
) -> None:
    async def run() -> None:
        async with receiving(receiver or Receiver()) as there, house(**settings) as at:
            await test(at, there)

    asyncio.run(run())


def hook(receiver: Receiver, **changed: Any) -> dict[str, Any]:
    return {"kind": "webhook", "url": receiver.url, "secret": SECRET, **changed}


def test_a_webhook_carries_the_alarm_and_a_signature_that_any_library_verifies() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        await at.alarm(deliver=[hook(receiver)])
        at.see()
        request = await receiver.next()
        assert KEY.verify(request.body, request.headers) == at.stream.told_of("alarm")[0]
        assert request.path == "/hook"
        assert request.headers["content-type"] == "application/json"
        for forged in (
            {"webhook-timestamp": str(int(request.headers["webhook-timestamp"]) + 1)},
            {"webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 3600)},
            {"webhook-id": "another"},
        ):
            with pytest.raises(WebhookVerificationError):
                KEY.verify(request.body, {**request.headers, **forged})
        with pytest.raises(WebhookVerificationError):
            KEY.verify(request.body + b" ", request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(b"another secret").verify(request.body, request.headers)

    deliver(test)


def test_the_documented_receiver_verifies() -> None:
    text = (Path(__file__).parents[3] / "docs" / "zones-and-alarms.md").read_text(encoding="utf8")
    names: dict[str, Any] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], names)

    async def test(at: House, receiver: Receiver) -> None:
        await at.alarm(deliver=[hook(receiver)])
        at.see()
        request = await receiver.next()
        assert names["verify"](SECRET, request.headers, request.body)
        assert not names["verify"](SECRET, request.headers, request.body + b" ")
        late = {**request.headers, "webhook-timestamp": "1000000000"}
        assert not names["verify"](SECRET, late, request.body)

    deliver(test)


def test_a_secret_may_be_the_standards_base64() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
        await at.alarm(deliver=[hook(receiver, secret=secret)])
        at.see()
        request = await receiver.next()
        assert Webhook(secret).verify(request.body, request.headers)

    deliver(test)


def test_a_receiver_that_fails_gets_it_again_under_the_same_id() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        made = await at.alarm(deliver=[hook(receiver)])
        at.see()
        requests = [await receiver.next() for _ in range(4)]
        assert len({request.headers["webhook-id"] for request in requests}) == 1
        assert len({request.body for request in requests}) == 1
        for request in requests:
            KEY.verify(request.body, request.headers)
        await until(lambda: not at.alarms.outbox.queue()["depth"])
        target = at.alarms.describe_one(made["id"])["deliver"][0]
        assert (target["pending"], target["dead"], target["error"]) == (0, 0, None)
        text = at.metrics.exposition().decode()
        assert 'alarm_deliveries_total{how="webhook",outcome="failed"} 3.0' in text
        assert 'alarm_deliveries_total{how="webhook",outcome="delivered"} 1.0' in text
        await until(lambda: "alarm_delivery" not in at.documents.kinds())

    deliver(test, Receiver([500, 429, 404, 200]))


def test_what_cannot_be_delivered_becomes_a_dead_letter_that_can_be_sent_again() -> None:
    receiver = Receiver([503])

    async def run() -> None:
        async with receiving(receiver), served() as at:
            made = await at.alarm(deliver=[hook(receiver)])
            at.see()
            at.see_again()
            await until(lambda: len(at.alarms.outbox.letters()) == 2)
            assert receiver.requests.qsize() == 8  # 4 attempts each
            newest, oldest = (await at.get("/alarms/dead-letters"))["letters"]
            assert {newest["attempts"], oldest["attempts"]} == {4}
            assert newest["error"] == "answered with 503"
            assert newest["url"] == receiver.url
            assert newest["raised"]["name"] == "alarm"
            assert SECRET not in str(newest)
            target = (await at.get(f"/alarms/{made['id']}"))["deliver"][0]
            assert (target["dead"], target["error"]) == (2, "answered with 503")
            assert "alarm_dead_letters 2.0" in at.metrics.exposition().decode()
            receiver.statuses = [200]
            while not receiver.requests.empty():
                receiver.requests.get_nowait()
            answer = await at.client.post(f"/alarms/dead-letters/{oldest['id']}/retry")
            assert answer.json() == {"retried": 1}
            again = await receiver.next()
            assert again.headers["webhook-id"] == oldest["id"]
            assert (await at.client.post("/alarms/dead-letters/7/retry")).status_code == 404
            assert (await at.client.delete("/alarms/dead-letters/7")).status_code == 404
            assert (await at.client.post("/alarms/dead-letters/retry")).json() == {"retried": 1}
            await receiver.next()
            assert (await at.get("/alarms/dead-letters")) == {"letters": []}
            receiver.statuses = [410]  # gone for good: not tried again
            at.see_again()
            await until(lambda: len(at.alarms.outbox.letters()) == 1)
            assert (await at.get("/alarms/dead-letters"))["letters"][0]["attempts"] == 1
            assert (await at.client.delete("/alarms/dead-letters")).status_code == 204
            assert (await at.get("/alarms/dead-letters")) == {"letters": []}

    asyncio.run(run())


def test_a_receiver_that_never_answers_holds_up_neither_the_stream_nor_others() -> None:
    async def run() -> None:
        async with (
            receiving(Receiver(stuck=True)) as stuck,
            receiving(Receiver()) as well,
            house(alarm_timeout_s=30) as at,
        ):
            await at.alarm(deliver=[hook(stuck), hook(well)])
            for _ in range(20):
                at.see_again()
            assert len(at.raised()) == 20  # before anything could be delivered
            for _ in range(20):
                await well.next()
            assert stuck.requests.qsize() == 1
            await until(lambda: at.alarms.outbox.queue()["depth"] == 20)
            assert not stuck.gone.is_set()

    asyncio.run(run())


def test_an_attempt_has_a_limit_in_time() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        await at.alarm(deliver=[hook(receiver)])
        at.see()
        await until(lambda: len(at.alarms.outbox.letters()) == 1)
        assert at.alarms.outbox.letters()[0].error == "no answer within 0.1 s"

    deliver(test, Receiver(stuck=True), alarm_timeout_s=0.1, alarm_attempts=2)


def test_an_answer_without_end_is_not_read() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        await at.alarm(deliver=[hook(receiver)])
        at.see()
        await until(lambda: not at.alarms.outbox.queue()["depth"])
        assert at.alarms.outbox.letters() == []

    deliver(test, Receiver(endless=True))


def test_a_redirect_is_not_followed() -> None:
    async def run() -> None:
        async with receiving(Receiver()) as other:
            async with (
                receiving(Receiver([302], location=other.url)) as receiver,
                house(alarm_attempts=1) as at,
            ):
                await at.alarm(deliver=[hook(receiver)])
                at.see()
                await until(lambda: len(at.alarms.outbox.letters()) == 1)
                assert "redirects are not followed" in str(at.alarms.outbox.letters()[0].error)
            assert other.requests.empty()

    asyncio.run(run())


def test_the_queue_is_bounded_and_what_is_pushed_out_is_a_dead_letter() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        await at.alarm(deliver=[hook(receiver)])
        for _ in range(6):
            at.see_again()
        queue = at.alarms.outbox.queue()
        assert (queue["depth"], queue["bound"], queue["dropped"]) == (3, 3, 3)
        letters = at.alarms.outbox.letters()
        assert len(letters) == 2  # the oldest of three was forgotten
        assert "pushed out" in str(letters[0].error)
        times = [letter.raised.t_us for letter in letters]
        assert times == sorted(times, reverse=True)  # type: ignore[type-var]
        assert 'outcome="forgotten"} 1.0' in at.metrics.exposition().decode()

    deliver(test, Receiver(stuck=True), alarm_queue=3, alarm_letters=2)


def test_what_waits_is_sent_after_a_restart_and_goes_where_the_alarm_says_then() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with receiving(Receiver([500])) as receiver:
            async with house(documents, alarm_wait_s=3600, alarm_longest_wait_s=3600) as at:
                made = await at.alarm(deliver=[hook(receiver)])
                at.see()
                first = await receiver.next()
                await until(lambda: at.alarms.outbox.figures(made["deliver"][0]["id"])["error"] is not None)
            receiver.statuses = [200]
            async with served(documents, alarm_longest_wait_s=0.01) as at:
                again = await receiver.next()
                assert again.headers["webhook-id"] == first.headers["webhook-id"]
                assert again.body == first.body
                await until(lambda: "alarm_delivery" not in at.documents.kinds())
        # And with its receiver away when it was raised, and moved to another address since.
        async with house(documents, alarm_attempts=2) as at:
            at.see()
            await until(lambda: len(at.alarms.outbox.letters()) == 1)
            assert "no connection to 127.0.0.1" in str(at.alarms.outbox.letters()[0].error)
        async with receiving(Receiver()) as moved, served(documents) as at:
            target = {**hook(moved), "id": made["deliver"][0]["id"]}
            assert (
                await at.client.patch(f"/alarms/{made['id']}", json={"deliver": [target]})
            ).status_code == 200
            assert (await at.client.post("/alarms/dead-letters/retry")).json() == {"retried": 1}
            KEY.verify((request := await moved.next()).body, request.headers)

    asyncio.run(run())


def test_an_alarm_that_is_deleted_takes_its_deliveries_along() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        made = await at.alarm(deliver=[hook(receiver)])
        at.see()
        await receiver.next()
        at.see_again()
        await at.alarms.remove(made["id"])
        assert at.alarms.outbox.queue()["depth"] == 0
        await until(lambda: "alarm_delivery" not in at.documents.kinds())
        assert 'outcome="cancelled"} 2.0' in at.metrics.exposition().decode()

    deliver(test, Receiver(stuck=True))


def test_a_delivery_can_be_tried_out() -> None:
    async def run() -> None:
        async with receiving(Receiver()) as receiver, served() as at:
            made = await at.alarm(deliver=[hook(receiver)])
            answer = await at.client.post(f"/alarms/{made['id']}/test")
            assert answer.status_code == 202
            request = await receiver.next()
            body = json.loads(request.body)
            assert body["test"] is True
            assert body["id"] == answer.json()["id"]
            assert (await at.get("/alarms/raised"))["raised"] == []
            assert at.raised() == []

    asyncio.run(run())


def test_a_database_that_is_away_for_a_moment_loses_no_delivery() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with receiving(Receiver([500])) as receiver:
            async with house(documents, alarm_wait_s=3600, alarm_longest_wait_s=3600) as at:
                await at.alarm(deliver=[hook(receiver)])
                documents.broken = True
                at.see()
                await receiver.next()
                documents.broken = False
            assert {"alarm_delivery", "raised_alarm"} <= documents.kinds()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "private", "public"),
    [
        ("8.8.8.8", True, True),
        ("2001:4860:4860::8888", True, True),
        ("10.1.2.3", True, False),
        ("192.168.1.4", True, False),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("100.64.0.1", True, False),
        ("fd12::1", True, False),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
    ],
)
def test_which_addresses_alarms_may_be_sent_to(address: str, private: bool, public: bool) -> None:
    assert is_allowed(address, private=True) == private
    assert is_allowed(address, private=False) == public


def test_private_addresses_can_be_denied_and_names_do_not_get_round_it() -> None:
    async def test(at: House, receiver: Receiver) -> None:
        urls = [receiver.url, receiver.url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest"]
        await at.alarm(deliver=[hook(receiver, url=url) for url in urls])
        at.see()
        await until(lambda: len(at.alarms.outbox.letters()) == 3)
        for letter in at.alarms.outbox.letters():
            assert "alarms may not be sent" in str(letter.error)
            assert letter.attempts == 1
        assert receiver.requests.empty()
        with pytest.raises(UnknownLetter):
            at.alarms.outbox.retry("7")

    deliver(test, alarm_private_addresses=False)


def test_a_certificate_must_be_trusted_and_of_the_name(tmp_path: Path) -> None:
    async def run() -> None:
        pem = certificate(tmp_path / "localhost.pem", "localhost")
        async with receiving(Receiver(), pem) as receiver:
            async with house(alarm_ca_file=pem) as at:
                await at.alarm(deliver=[hook(receiver)])
                at.see()
                assert (await receiver.next()).headers["host"] == receiver.url.split("/")[2]
            async with house(alarm_attempts=1) as at:
                await at.alarm(deliver=[hook(receiver)])
                at.see()
                await until(lambda: len(at.alarms.outbox.letters()) == 1)
                assert "certificate verify failed" in str(at.alarms.outbox.letters()[0].error).lower()
        other = certificate(tmp_path / "other.pem", "other.example")
        async with (
            receiving(Receiver(), other) as receiver,
            house(alarm_ca_file=other, alarm_attempts=1) as at,
        ):
            await at.alarm(deliver=[hook(receiver)])
            at.see()
            await until(lambda: len(at.alarms.outbox.letters()) == 1)
            assert "mismatch" in str(at.alarms.outbox.letters()[0].error).lower()
            assert receiver.requests.empty()

    asyncio.run(run())
