"""The periods an application is run by.

The policy of an application is fixed when it starts and kept in its history, so that a changed default
never touches a running application.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from domain.values import Contract, TimeZone

Hour = Annotated[int, Field(ge=0, le=23)]
Days = Annotated[int, Field(ge=1, le=3650)]
Calendar = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}(-[A-Z0-9]{1,10})?$")]


class Policy(Contract):
    """Periods in working days of ``calendar`` (guide §2.2, §2.3); ``partner_expiry_days`` in calendar days.

    ``access_delay_working_days``: how long access may be held up until the BD lead is told.
    ``later_reminder_working_days``: between reminders once the third in a row was not answered.
    ``expiry_warning_days``: so many calendar days before it expires the partner is warned.
    ``mail_hour``: the hour in ``time_zone`` at which reminders and escalations leave, on a working day.

    ``calendar`` is a region of the package `holidays` ("CN", or with a subdivision "US-CA"); days begin
    at midnight in ``time_zone``. ``require_credit_control`` makes credit control a condition of access.
    """

    review_working_days: Days = 3
    contact_working_days: Days = 3
    reminder_working_days: Days = 3
    partner_expiry_days: Days = 90
    access_delay_working_days: Days = 1
    later_reminder_working_days: Days = 10
    expiry_warning_days: Annotated[tuple[Days, ...], Field(max_length=5)] = (14, 3)
    mail_hour: Hour = 9
    calendar: Calendar = "CN"
    time_zone: TimeZone = "Asia/Shanghai"
    require_credit_control: bool = False
