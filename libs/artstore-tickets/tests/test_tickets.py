"""What a ticket lets through, and all that it must not."""

import base64
import json
import string
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from artstore_core.errors import Forbidden, Unauthorized
from artstore_tickets import MAX_LIFETIME, FileSubject, Subject, Tickets, UploadSubject, element_key
from hypothesis import given
from hypothesis import strategies as st

MASTER = bytes(range(32))
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FILE = FileSubject(UUID("01920000-0000-7000-8000-000000000001"))
URL_SAFE = string.ascii_letters + string.digits + "-_"

subjects = st.one_of(
    st.builds(FileSubject, st.uuids()),
    st.builds(UploadSubject, st.uuids(), st.none() | st.integers(1, 10_000)),
)
methods = st.frozensets(st.sampled_from(["GET", "HEAD", "PUT", "PATCH"]), min_size=1)
filenames = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)


def tickets_at(now: datetime = NOW, element: str = "se-rw-1", key: bytes | None = None) -> Tickets:
    return Tickets(element, key or element_key(MASTER, element), lambda: now)


@given(
    subject=subjects,
    allowed=methods,
    length=st.none() | st.integers(0, 2**50),
    disposition=st.sampled_from([None, "inline", "attachment"]),
    filename=filenames,
    seconds=st.integers(1, 600),
)
def test_what_was_put_in_comes_out(subject: Subject, allowed: frozenset[str], length, disposition, filename, seconds):  # type: ignore[no-untyped-def]
    text = tickets_at().issue(
        subject,
        allowed,
        lifetime=timedelta(seconds=seconds),
        length=length,
        disposition=disposition,
        filename=filename,
    )
    assert set(text) <= set(URL_SAFE)
    for method in allowed:
        ticket = tickets_at().check(text, subject=subject, method=method)
        assert (ticket.subject, ticket.methods, ticket.length) == (subject, allowed, length)
        assert (ticket.disposition, ticket.filename) == (disposition, filename)
        assert ticket.expires_at == NOW + timedelta(seconds=seconds)


@given(data=st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    text = tickets_at().issue(FILE, ["GET"], filename="отчёт.pdf")
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.sampled_from(URL_SAFE + "=+/. é").filter(lambda c: c != text[at]))
    with pytest.raises(Unauthorized):
        tickets_at().check(text[:at] + char + text[at + 1 :], subject=FILE, method="GET")


@given(text=st.text(max_size=200))
def test_any_nonsense_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        tickets_at().check(text, subject=FILE, method="GET")


@given(cut=st.integers(0, 60), tail=st.text(URL_SAFE + "=", min_size=1, max_size=8))
def test_shortened_or_lengthened_is_refused(cut: int, tail: str) -> None:
    text = tickets_at().issue(FILE, ["GET"])
    for changed in (text[:cut], text + tail, tail + text):
        with pytest.raises(Unauthorized):
            tickets_at().check(changed, subject=FILE, method="GET")


@given(seconds=st.integers(1, 600), late=st.integers(0, 10**6))
def test_expired_is_refused_from_its_last_second_on(seconds: int, late: int) -> None:
    text = tickets_at().issue(FILE, ["GET"], lifetime=timedelta(seconds=seconds))
    tickets_at(NOW + timedelta(seconds=seconds - 1)).check(text, subject=FILE, method="GET")
    with pytest.raises(Unauthorized):
        tickets_at(NOW + timedelta(seconds=seconds + late)).check(text, subject=FILE, method="GET")


@given(other=st.text(min_size=1, max_size=20).filter(lambda name: name != "se-rw-1" and name.isascii()))
def test_another_elements_ticket_is_refused(other: str) -> None:
    text = tickets_at(element=other).issue(FILE, ["GET"])
    with pytest.raises(Unauthorized):
        tickets_at().check(text, subject=FILE, method="GET")


def test_another_elements_name_under_this_key_is_refused() -> None:
    text = tickets_at(element="se-edit-1", key=element_key(MASTER, "se-rw-1")).issue(FILE, ["GET"])
    with pytest.raises(Unauthorized):
        tickets_at().check(text, subject=FILE, method="GET")


def test_get_covers_head_and_nothing_else() -> None:
    text = tickets_at().issue(FILE, ["GET"])
    tickets_at().check(text, subject=FILE, method="HEAD")
    for method in ("PUT", "PATCH", "POST", "DELETE", "get"):
        with pytest.raises(Forbidden):
            tickets_at().check(text, subject=FILE, method=method)


def test_head_does_not_cover_get() -> None:
    with pytest.raises(Forbidden):
        tickets_at().check(tickets_at().issue(FILE, ["HEAD"]), subject=FILE, method="GET")


@given(one=subjects, other=subjects)
def test_another_subject_is_forbidden(one: Subject, other: Subject) -> None:
    text = tickets_at().issue(one, ["GET"])
    if one == other:
        tickets_at().check(text, subject=other, method="GET")
    else:
        with pytest.raises(Forbidden):
            tickets_at().check(text, subject=other, method="GET")


def test_file_and_upload_of_one_id_are_different_subjects() -> None:
    file_id = uuid4()
    text = tickets_at().issue(UploadSubject(file_id), ["GET"])
    with pytest.raises(Forbidden):
        tickets_at().check(text, subject=FileSubject(file_id), method="GET")


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-1), MAX_LIFETIME + timedelta(seconds=1)])
def test_nobody_makes_a_ticket_for_longer_than_ten_minutes(lifetime: timedelta) -> None:
    with pytest.raises(ValueError, match="at most"):
        tickets_at().issue(FILE, ["GET"], lifetime=lifetime)


def test_a_ticket_that_would_live_longer_is_refused_by_the_reader_too() -> None:
    text = tickets_at(NOW + timedelta(hours=1)).issue(FILE, ["GET"])
    with pytest.raises(Unauthorized):
        tickets_at().check(text, subject=FILE, method="GET")


def test_refusals_say_nothing_of_the_reason() -> None:
    """Expired, forged and foreign look the same from outside."""
    texts = {
        "expired": tickets_at(NOW - timedelta(hours=1)).issue(FILE, ["GET"]),
        "foreign": tickets_at(element="se-edit-1").issue(FILE, ["GET"]),
        "nonsense": "AAAA",
        "empty": "",
    }
    answers = set()
    for text in texts.values():
        with pytest.raises(Unauthorized) as caught:
            tickets_at().check(text, subject=FILE, method="GET")
        answers.add((caught.value.message, json.dumps(caught.value.headers), caught.value.code))
    assert len(answers) == 1


def test_a_ticket_without_methods_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="method"):
        tickets_at().issue(FILE, [])


def test_a_reader_may_learn_the_subject_from_the_ticket() -> None:
    text = tickets_at().issue(FILE, ["GET"], account="b2xk")
    ticket = tickets_at().read(text, method="HEAD")
    assert (ticket.subject, ticket.account) == (FILE, "b2xk")
    with pytest.raises(Forbidden):
        tickets_at().read(text, method="PUT")
    with pytest.raises(Unauthorized):
        tickets_at(key=bytes(32)).read(text, method="GET")


def test_who_reads_a_ticket_does_not_learn_which_element_it_is_for() -> None:
    key = element_key(MASTER, "se-rw-1")
    text = tickets_at(key=key).issue(FILE, ["GET"])

    assert b"se-rw-1" not in base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    with pytest.raises(Unauthorized):
        tickets_at(element="se-rw-2", key=key).read(text, method="GET")


def test_a_part_is_bound_to_its_bytes() -> None:
    subject, digest = UploadSubject(FILE.file_id, 7), "ab" * 32
    text = tickets_at().issue(subject, ["PUT"], length=5, digest=digest)
    ticket = tickets_at().check(text, subject=subject, method="PUT")
    assert (ticket.length, ticket.digest) == (5, digest)
    for other in (UploadSubject(FILE.file_id, 8), UploadSubject(FILE.file_id)):
        with pytest.raises(Forbidden):
            tickets_at().check(text, subject=other, method="PUT")
