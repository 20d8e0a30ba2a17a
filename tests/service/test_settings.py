"""The table of settings: complete, documented, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings, settings_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("row", settings_table(), ids=lambda row: row.variable)
def test_every_setting_is_documented(row: object) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert str(row) in text, f"add to docs/settings.md:\n{row}"


def test_every_setting_has_unit_and_help() -> None:
    for row in settings_table():
        assert row.unit
        assert row.help.endswith(".")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKESIGHT_PORT", "9000")
    monkeypatch.setenv("SPIKESIGHT_TOKEN", "secret")
    settings = Settings()
    assert settings.port == 9000
    assert settings.token is not None
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "x"),
        ("ENGINE", "tensorflow"),
        ("MAX_STREAMS", "0"),
        ("PICTURE_FPS", "31"),
        ("DEADLINE_S", "0"),
    ],
)
def test_values_out_of_range_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SPIKESIGHT_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]  # that is the point
