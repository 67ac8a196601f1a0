"""Which days are working days, and counting in them. Pure: a day comes in, nothing asks what day it is."""

from collections.abc import Iterable
from datetime import date, timedelta

from config.settings import Noticing

_DAY = timedelta(days=1)
_SATURDAY = 5


class WorkingDays:
    """Monday to Friday, without the holidays of a region.

    Args:
        region: country and subdivision, as `CA-BC`, or a country.
        closed: other days on which nobody works.
    """

    def __init__(self, region: str, closed: Iterable[date] = ()) -> None:
        # Late: it is large, and not whoever imports this counts days.
        import holidays

        country, _, subdivision = region.partition("-")
        self._holidays = holidays.country_holidays(country, subdiv=subdivision or None)
        self._closed = frozenset(closed)

    @classmethod
    def of(cls, noticing: Noticing) -> "WorkingDays":
        """Those of the settings."""
        return cls(noticing.holidays, noticing.closed_days)

    def __contains__(self, day: date) -> bool:
        """Whether a day is one."""
        return day.weekday() < _SATURDAY and day not in self._holidays and day not in self._closed

    def before(self, day: date, number: int) -> date:
        """The day that is so many working days before another; 0 gives that day itself.

        Args:
            day: from which is counted; it is not counted itself.
            number: how many working days, 0 or more.
        """
        while number > 0:
            day -= _DAY
            number -= day in self
        return day

    def after(self, day: date, number: int) -> date:
        """The day that is so many working days after another; as `before`."""
        while number > 0:
            day += _DAY
            number -= day in self
        return day
