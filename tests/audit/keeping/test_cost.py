"""The forecast follows from what was kept, in bytes on disk."""

from tallystick.audit.keeping.classes import RetentionClass, seconds
from tallystick.audit.keeping.cost import forecast
from tallystick.audit.payload.model import Usage

NOW = seconds("2026-11-21")


def _used(month: str, stored_bytes: int, place: str = "") -> Usage:
    return Usage("standard", month, place, 1, 10, stored_bytes, stored_bytes)


def test_volume_rate_and_steady_state_are_told() -> None:
    used = [_used("2026-11", 20_000), _used("2026-10", 31_000), _used("2019-01", 5_000, place="/cold")]
    told = forecast("standard", used, RetentionClass("standard", 2, "house"), NOW)
    assert (told["stored_bytes"], told["elsewhere_bytes"], told["payloads"]) == (56_000, 5_000, 30)
    assert told["bytes_per_day"] == 1000
    assert told["steady_bytes"] == 730_500


def test_a_budget_names_the_day_on_which_it_is_exceeded() -> None:
    used = [_used("2026-10", 51_000)]
    small, large = (RetentionClass("standard", 2, "house", budget_bytes=size) for size in (61_000, 10**9))
    assert forecast("standard", used, small, NOW)["budget"] == "exceeded on 2026-12-01 at this rate"
    assert forecast("standard", used, large, NOW)["budget"] == "kept"
    assert forecast("standard", [_used("2026-10", 99_000)], small, NOW)["budget"] == "exceeded"


def test_a_class_that_nobody_defined_is_told_as_such() -> None:
    assert "not defined" in str(forecast("odd", [_used("2026-11", 1)], None, NOW)["law"])


def test_the_forecast_goes_on_with_about_three_months_and_does_not_forget_what_is_there() -> None:
    edge = seconds("2026-11-30")
    [whole, old] = [
        forecast("standard", [_used(month, 90_000)], RetentionClass("standard", 0.1, "house"), edge)
        for month in ("2026-08", "2026-07")
    ]
    assert (whole["bytes_per_day"], old["bytes_per_day"]) == (978, 0)
    assert (old["steady_bytes"], old["in_a_year_bytes"]) == (0, 90_000)
