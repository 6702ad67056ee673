"""Who may write."""

from __future__ import annotations

import pytest

from copaw.app.channels.access import Verdict, judge
from copaw.app.channels.message import InboundMessage
from copaw.config.models import BaseChannelConfig

LISTED = {"allow_from": ["friend"]}


@pytest.mark.parametrize(
    ("config", "message", "verdict"),
    [
        ({}, {}, Verdict.ADMIT),
        ({"dm_policy": "allowlist", **LISTED}, {}, Verdict.DENY),
        ({"dm_policy": "allowlist", **LISTED}, {"user_id": "friend"}, Verdict.ADMIT),
        ({"dm_policy": "allowlist"}, {"is_group": True}, Verdict.ADMIT),
        ({"group_policy": "allowlist", **LISTED}, {"is_group": True}, Verdict.DENY),
        ({"group_policy": "allowlist", **LISTED}, {"is_group": True, "user_id": "friend"}, Verdict.ADMIT),
        ({"require_mention": True}, {}, Verdict.ADMIT),
        ({"require_mention": True}, {"is_group": True}, Verdict.IGNORE),
        ({"require_mention": True}, {"is_group": True, "mentions_bot": True}, Verdict.ADMIT),
        ({"require_mention": True, "group_policy": "allowlist"}, {"is_group": True}, Verdict.IGNORE),
    ],
)
def test_policies(config: dict[str, object], message: dict[str, object], verdict: Verdict) -> None:
    fields = {"id": "1", "session_id": "s", "user_id": "stranger", "content": [], **message}
    found = judge(BaseChannelConfig.model_validate(config), InboundMessage(**fields))  # type: ignore[arg-type]
    assert found is verdict
