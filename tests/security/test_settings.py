from __future__ import annotations

import pytest

from copaw.errors import BadInput
from copaw.security.settings import AuthSettings


@pytest.mark.parametrize(
    ("value", "enabled"),
    [("true", True), ("1", True), (" Yes ", True), ("ON", True), ("", False), ("false", False), ("0", False)],
)
def test_the_flag(value: str, enabled: bool) -> None:
    assert AuthSettings.from_environment({"COPAW_AUTH_ENABLED": value}).enabled is enabled


def test_log_in_is_off_unless_asked_for() -> None:
    assert AuthSettings.from_environment({}) == AuthSettings()


@pytest.mark.parametrize("value", ["ture", "enabled", "2", "none"])
def test_a_typing_error_is_refused_instead_of_meaning_off(value: str) -> None:
    with pytest.raises(BadInput, match="COPAW_AUTH_ENABLED"):
        AuthSettings.from_environment({"COPAW_AUTH_ENABLED": value})


def test_the_password_is_not_in_its_repr() -> None:
    settings = AuthSettings.from_environment({"COPAW_AUTH_USERNAME": "me", "COPAW_AUTH_PASSWORD": "hidden"})
    assert (settings.username, settings.password) == ("me", "hidden")
    assert "hidden" not in repr(settings)
