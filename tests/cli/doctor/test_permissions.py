from __future__ import annotations

from copaw.cli.doctor import permissions
from copaw.cli.doctor.finding import Subject
from copaw.config.secrets import SecretFiles


def test_secrets_that_others_can_read_are_named_and_can_be_mended(subject: Subject, bad) -> None:
    directory = subject.paths.secret_dir
    SecretFiles(directory).write("providers/custom/mine", {"api_key": "k"})
    assert bad(permissions.check_secrets(subject)) == []
    file = directory / "providers" / "custom" / "mine.json"
    file.chmod(0o644)
    (directory / "providers").chmod(0o755)
    (finding,) = permissions.check_secrets(subject)
    assert finding.what.startswith("2 in ")
    assert finding.mend == f"chmod -R go= {directory}"
    assert finding.fix is not None
    finding.fix()
    assert bad(permissions.check_secrets(subject)) == []
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_secrets_there_is_nothing_to_say(subject: Subject) -> None:
    (subject.paths.secret_dir / "providers").rmdir()
    subject.paths.secret_dir.rmdir()
    assert list(permissions.check_secrets(subject)) == []
