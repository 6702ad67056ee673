"""Logging in, on clocks of the test's own and with cheap hashes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from copaw.app.authentication import KNOWN_FOR_S, AccountUnusable, Authentication
from copaw.config.secrets import SecretFiles
from copaw.errors import BadInput, ConfigFileError, Forbidden, TooManyAttempts, Unauthenticated
from copaw.security.account import AccountFile, new_account
from copaw.security.guesses import FREE_ATTEMPTS
from copaw.security.passwords import ScryptCost
from copaw.security.settings import AuthSettings
from copaw.security.tokens import LIFETIME_S

CHEAP = ScryptCost(log2_n=4)
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = SecretFiles(directory)
        self.wall, self.clock = Clock(1_800_000_000.0), Clock(50.0)

    def pass_time(self, seconds: float) -> None:
        self.wall.now += seconds
        self.clock.now += seconds

    async def make(self, settings: AuthSettings = AuthSettings(enabled=True)) -> Authentication:  # noqa: B008
        made = Authentication(self.files, settings, wall_clock=self.wall, clock=self.clock, cost=CHEAP)
        await made.open()
        return made

    @property
    def local_token(self) -> str:
        return json.loads((self.directory / "local_token.json").read_text())["token"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "secret")


async def who(authentication: Authentication, token: str | None, *, local: bool = False) -> str | None:
    return await authentication.username_of(token, local=local)


# -- registering -----------------------------------------------------------------------------------------------------


async def test_the_first_one_registers_and_nobody_after_that(world: World) -> None:
    auth = await world.make()
    assert await auth.status() == {"enabled": True, "has_users": False}
    session = await auth.register("me", "secret")
    assert session["username"] == "me"
    assert await who(auth, session["token"]) == "me"
    assert await auth.status() == {"enabled": True, "has_users": True}
    with pytest.raises(Forbidden):
        await auth.register("you", "secret")
    assert await who(auth, session["token"]) == "me"


async def test_of_many_at_once_one_registers(world: World) -> None:
    auth = await world.make()
    ends = await asyncio.gather(*(auth.register(f"u{n}", "secret") for n in range(8)), return_exceptions=True)
    assert [isinstance(end, dict) for end in ends].count(True) == 1
    assert all(isinstance(end, dict | Forbidden) for end in ends)


async def test_the_environment_registers_when_nobody_is(world: World) -> None:
    await world.make(AuthSettings(True, "me", "secret"))
    again = await world.make(AuthSettings(True, "you", "other"))
    assert (await again.login("me", "secret", HERE))["username"] == "me"
    with pytest.raises(Unauthenticated):
        await again.login("you", "other", HERE)


@pytest.mark.parametrize(("username", "password"), [("me", ""), ("", "secret"), ("", "")])
async def test_half_of_it_registers_nobody_and_says_so(
    world: World, caplog: pytest.LogCaptureFixture, username: str, password: str
) -> None:
    auth = await world.make(AuthSettings(True, username, password))
    assert (await auth.status())["has_users"] is False
    assert "COPAW_AUTH_USERNAME" in caplog.text


async def test_bad_input_names_its_field(world: World) -> None:
    auth = await world.make()
    for username, password, field in (("", "x", "username"), ("me", "", "password")):
        with pytest.raises(BadInput) as caught:
            await auth.register(username, password)
        assert caught.value.field == field


async def test_while_it_is_off_it_makes_nothing_and_says_so(world: World) -> None:
    auth = await world.make(AuthSettings(False, "me", "secret"))
    assert await auth.status() == {"enabled": False, "has_users": False}
    assert await auth.login("me", "x", HERE) == {"token": "", "username": ""}
    for refused in (auth.register("me", "secret"), auth.update("secret", None, "new", HERE)):
        with pytest.raises(Forbidden, match="COPAW_AUTH_ENABLED"):
            await refused
    assert not world.directory.exists()


# -- logging in ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def auth(world: World) -> Authentication:
    return await world.make(AuthSettings(True, "me", "secret"))


async def test_name_and_password_give_a_token_that_expires(auth: Authentication, world: World) -> None:
    token = (await auth.login("me", "secret", ELSEWHERE))["token"]
    world.pass_time(LIFETIME_S - 1)
    assert await who(auth, token) == "me"
    world.pass_time(1)
    assert await who(auth, token) is None


@pytest.mark.parametrize(
    ("username", "password"), [("me", "Secret"), ("Me", "secret"), ("", ""), ("\udcff", "\udcff"), ("me", "x" * 10**7)]
)
async def test_anything_else_does_not_and_says_the_same(auth: Authentication, username: str, password: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await auth.login(username, password, ELSEWHERE)
    assert caught.value.message == "Wrong user name or password."


async def test_the_log_has_the_address_of_who_failed_and_not_what_was_typed(
    auth: Authentication, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Unauthenticated):
        await auth.login("my password by mistake", "wrong password", ELSEWHERE)
    with pytest.raises(Forbidden):
        await auth.update("wrong password", None, "new", ELSEWHERE)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert all(ELSEWHERE in record.getMessage() for record in caplog.records)
    assert "password by" not in caplog.text
    assert "wrong password," not in caplog.text


async def test_nobody_registered_is_no_other_answer(world: World) -> None:
    auth = await world.make()
    with pytest.raises(Unauthenticated) as caught:
        await auth.login("me", "secret", ELSEWHERE)
    assert caught.value.message == "Wrong user name or password."


async def test_guesses_are_limited_even_if_the_last_is_right(auth: Authentication, world: World) -> None:
    for _ in range(FREE_ATTEMPTS):
        with pytest.raises(Unauthenticated):
            await auth.login("me", "wrong", ELSEWHERE)
    with pytest.raises(TooManyAttempts) as caught:
        await auth.login("me", "secret", ELSEWHERE)
    assert (await auth.login("me", "secret", HERE))["token"]
    world.pass_time(caught.value.retry_after_s)
    assert (await auth.login("me", "secret", ELSEWHERE))["token"]


async def test_hashing_has_a_bound(auth: Authentication) -> None:
    # As many as may at once, and all the same each gets its answer.
    answers = await asyncio.gather(*(auth.login("me", "secret", f"192.0.2.{n}") for n in range(20)))
    assert len({answer["username"] for answer in answers}) == 1


# -- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "Bearer x", "\xff"])
async def test_no_token_is_nobody(auth: Authentication, token: str | None) -> None:
    assert await who(auth, token) is None
    assert await who(auth, token, local=True) is None


async def test_the_local_token_counts_on_this_machine_alone(auth: Authentication, world: World) -> None:
    assert await who(auth, world.local_token, local=True) == "me"
    assert await who(auth, world.local_token, local=False) is None


async def test_the_local_token_works_before_anybody_is_registered(world: World) -> None:
    auth = await world.make()
    assert await who(auth, world.local_token, local=True) == ""


async def test_a_local_token_that_is_deleted_is_replaced(auth: Authentication, world: World) -> None:
    before = world.local_token
    (world.directory / "local_token.json").unlink()
    world.pass_time(KNOWN_FOR_S)
    assert await who(auth, before, local=True) is None
    assert world.local_token != before
    assert await who(auth, world.local_token, local=True) == "me"


async def test_a_local_token_that_cannot_be_read_is_nobodys(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.directory.mkdir()
    (world.directory / "local_token.json").write_text("{")
    auth = await world.make(AuthSettings(True, "me", "secret"))
    assert await who(auth, "", local=True) is None
    assert (await auth.login("me", "secret", HERE))["token"]
    assert "local_token.json" in caplog.text


# -- changing --------------------------------------------------------------------------------------------------------


async def test_a_new_password_ends_every_token_but_the_one_it_answers(auth: Authentication) -> None:
    before = [(await auth.login("me", "secret", HERE))["token"] for _ in range(2)]
    session = await auth.update("secret", None, "new", HERE)
    assert [await who(auth, token) for token in before] == [None, None]
    assert await who(auth, session["token"]) == "me"
    assert (await auth.login("me", "new", HERE))["token"]
    with pytest.raises(Unauthenticated):
        await auth.login("me", "secret", HERE)


async def test_a_new_name_keeps_the_password(auth: Authentication) -> None:
    before = (await auth.login("me", "secret", HERE))["token"]
    assert (await auth.update("secret", " you ", None, HERE))["username"] == "you"
    assert await who(auth, before) is None
    assert (await auth.login("you", "secret", HERE))["token"]


async def test_the_present_password_is_needed_and_guessing_it_is_limited(auth: Authentication) -> None:
    for _ in range(FREE_ATTEMPTS):
        with pytest.raises(Forbidden):
            await auth.update("wrong", None, "new", ELSEWHERE)
    with pytest.raises(TooManyAttempts):
        await auth.update("secret", None, "new", ELSEWHERE)
    assert (await auth.login("me", "secret", HERE))["token"]


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [(None, None, "new_username"), ("", None, "username"), (None, "", "new_password"), ("you", "", "new_password")],
)
async def test_a_bad_change_changes_nothing(
    auth: Authentication, username: str | None, password: str | None, field: str
) -> None:
    token = (await auth.login("me", "secret", HERE))["token"]
    with pytest.raises(BadInput) as caught:
        await auth.update("secret", username, password, HERE)
    assert caught.value.field == field
    assert await who(auth, token) == "me"


# -- the file --------------------------------------------------------------------------------------------------------


async def test_a_reset_from_outside_counts_within_a_second(auth: Authentication, world: World) -> None:
    token = (await auth.login("me", "secret", HERE))["token"]
    await asyncio.to_thread(AccountFile(world.files).save, new_account("me", "reset", CHEAP))
    assert (await auth.login("me", "reset", HERE))["token"]
    token = (await auth.login("me", "reset", HERE))["token"]
    await asyncio.to_thread(AccountFile(world.files).save, new_account("me", "again", CHEAP))
    assert await who(auth, token) == "me"
    world.pass_time(KNOWN_FOR_S)
    assert await who(auth, token) is None


def damage_cases() -> dict[str, Callable[[Path], object]]:
    return {
        "cut off": lambda path: path.write_bytes(path.read_bytes()[:40]),
        "emptied": lambda path: path.write_text(""),
        "an empty object": lambda path: path.write_text("{}"),
        "a directory": lambda path: (path.unlink(), path.mkdir()),
        "of somebody else": lambda path: path.write_text('{"user": {"username": "me"}, "jwt_secret": "x"}'),
    }


@pytest.mark.parametrize("damage", damage_cases())
async def test_a_damaged_file_lets_nobody_in_and_nobody_register(
    auth: Authentication, world: World, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    token = (await auth.login("me", "secret", HERE))["token"]
    damage_cases()[damage](world.directory / "auth.json")
    world.pass_time(KNOWN_FOR_S)
    for now in (auth, await world.make(AuthSettings(True, "intruder", "x"))):
        with pytest.raises(AccountUnusable, match="reset-password"):
            await who(now, token)
        for refused in (
            now.login("me", "secret", HERE),
            now.register("you", "x"),
            now.update("secret", "a", "b", HERE),
        ):
            with pytest.raises(AccountUnusable):
                await refused
        assert await now.status() == {"enabled": True, "has_users": True}
        assert await who(now, None) is None
        # On this machine the command line still works, to see what is wrong.
        assert await who(now, world.local_token, local=True) == ""
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2, "one for each of the two servers"
    assert all("auth.json" in error for error in errors)


async def test_a_mended_file_works_again(auth: Authentication, world: World, caplog: pytest.LogCaptureFixture) -> None:
    token = (await auth.login("me", "secret", HERE))["token"]
    path = world.directory / "auth.json"
    content = path.read_bytes()
    path.write_text("{")
    world.pass_time(KNOWN_FOR_S)
    with pytest.raises(AccountUnusable):
        await who(auth, token)
    path.write_bytes(content)
    world.pass_time(KNOWN_FOR_S)
    with caplog.at_level(logging.INFO):
        assert await who(auth, token) == "me"
    assert "works again" in caplog.text


async def test_a_hash_that_is_none_lets_nobody_in(auth: Authentication, world: World) -> None:
    document = await asyncio.to_thread(world.files.read, "auth")
    broken = {**document, "password_hash": "$scrypt$ln=40,r=8,p=1$AAAA$AAAA"}
    await asyncio.to_thread(world.files.write, "auth", broken)
    with pytest.raises(AccountUnusable):
        await auth.login("me", "secret", HERE)


async def test_what_cannot_be_written_changes_nothing(auth: Authentication, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await auth.login("me", "secret", HERE))["token"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SecretFiles, "write", full)
        with pytest.raises(ConfigFileError, match="No space"):
            await auth.update("secret", None, "new", HERE)
    assert await who(auth, token) == "me"
    assert (await auth.login("me", "secret", HERE))["token"]


async def test_many_requests_read_the_files_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    load = AccountFile.load

    def counted(file: AccountFile):
        nonlocal reads
        reads += 1
        return load(file)

    auth = await world.make(AuthSettings(True, "me", "secret"))
    token = (await auth.login("me", "secret", HERE))["token"]
    world.pass_time(KNOWN_FOR_S)
    monkeypatch.setattr(AccountFile, "load", counted)
    assert await asyncio.gather(*(who(auth, token) for _ in range(100))) == ["me"] * 100
    assert reads == 1
