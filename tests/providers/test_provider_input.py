"""What is entered for a provider is checked before it is kept, and the error names the field."""

from __future__ import annotations

import pytest

from copaw.config.secrets import mask
from copaw.errors import BadInput
from copaw.providers.models import OPENAI_CHAT_MODEL, ProviderInfo
from copaw.providers.provider_input import checked_settings

OWN = ProviderInfo(id="own", name="Own", base_url="http://one/v1", api_key="sk-0123456789abcdef")
FIXED = OWN.model_copy(update={"id": "fixed", "freeze_url": True})


def test_what_is_not_given_stays() -> None:
    assert checked_settings(OWN, None, None, None) == {}


def test_the_key_as_it_is_shown_is_not_a_new_one() -> None:
    assert checked_settings(OWN, mask(OWN.api_key), None, None) == {}
    assert checked_settings(OWN, "", None, None) == {"api_key": ""}
    assert checked_settings(OWN, " sk-other ", None, None) == {"api_key": "sk-other"}


def test_a_fixed_address_may_be_given_again_and_no_other() -> None:
    assert checked_settings(FIXED, None, "http://one/v1/", None) == {"base_url": "http://one/v1"}
    with pytest.raises(BadInput, match="add-provider") as error:
        checked_settings(FIXED, None, "http://two/v1", None)
    assert error.value.field == "base_url"


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("api_key", ("two words", None, None)),
        ("api_key", ("ключ", None, None)),
        ("api_key", ("a\nb", None, None)),
        ("base_url", (None, "ftp://one", None)),
        ("base_url", (None, "one/v1", None)),
        ("chat_model", (None, None, "NoSuchModel")),
    ],
)
def test_a_refusal_names_the_field(field: str, given: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(BadInput, match=field) as error:
        checked_settings(OWN, *given)
    assert error.value.field == field


def test_a_chat_model_of_this_version_is_taken() -> None:
    assert checked_settings(OWN, None, None, OPENAI_CHAT_MODEL) == {"chat_model": OPENAI_CHAT_MODEL}
