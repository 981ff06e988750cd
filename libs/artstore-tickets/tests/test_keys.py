"""Keys differ by element and purpose, and survive the way through settings."""

import base64

import pytest
from artstore_tickets import element_key, encode_key, link_key, parse_key, route_key, route_name, route_of
from hypothesis import given
from hypothesis import strategies as st

MASTER = bytes(range(32))
keys = st.binary(min_size=32, max_size=32)
names = st.text(min_size=1, max_size=40).filter(lambda name: max(name) < "\ud800" or max(name) > "\udfff")


def test_key_derivation_never_changes() -> None:
    """Elements keep their key in a file, so a changed derivation would lock every one of them out."""
    assert element_key(MASTER, "se-rw-1").hex() == "7b92cdb7f4fbe7bc30ea276a8bab0b2c8d1ef42151baca10cc35587d438ff28c"
    assert route_name(MASTER, "se-rw-1") == "ibny3gz2r6on625f7dj74gis"
    assert link_key(MASTER).hex() == "45e0e22fe869da88f51d29412cb565d9d648fc7ff7724cae33c30cc3252c8850"


@given(master=keys, one=names, other=names)
def test_elements_have_different_keys_and_routes(master: bytes, one: str, other: str) -> None:
    assert (element_key(master, one) == element_key(master, other)) == (one == other)
    assert (route_name(master, one) == route_name(master, other)) == (one == other)


@given(master=keys, name=names)
def test_no_element_holds_the_key_of_links(master: bytes, name: str) -> None:
    assert link_key(master) != element_key(master, name)
    assert link_key(master) != link_key(bytes(byte ^ 1 for byte in master))


def test_route_name_fits_a_url_path_and_tells_nothing() -> None:
    name = route_name(MASTER, "se-rw-1")
    assert len(name) == 24
    assert name.isalnum()
    assert name == name.lower()
    assert "rw" not in name or "se-rw-1" not in name


@given(key=keys)
def test_key_survives_both_alphabets_padded_or_not(key: bytes) -> None:
    for text in (
        encode_key(key),
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode(),
        f" {encode_key(key)}\n",
    ):
        assert parse_key(text) == key


@pytest.mark.parametrize("text", ["", "short", "!" * 43, base64.b64encode(b"x" * 31).decode(), "é" * 43])
def test_bad_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="a key must be") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)


def test_short_master_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        element_key(b"short", "se-rw-1")


def test_who_has_the_key_of_routes_alone_names_them_alike_and_opens_nothing() -> None:
    assert route_of(route_key(MASTER), "se-rw-1") == route_name(MASTER, "se-rw-1")
    assert route_key(MASTER) not in (MASTER, element_key(MASTER, "se-rw-1"), link_key(MASTER))
