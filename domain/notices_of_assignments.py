"""The e-mails by which an application changes hands: to the new BD or lead, and to the one before.

Each names its addressee: of two reassignments that leave together, each is told of his own.
"""

from typing import ClassVar, Literal

from domain.clocks import Clock
from domain.contract import Person
from domain.notice import ToBd, ToBdLead


class AssignedToBd(ToBd):
    """To the new BD: the lead has reassigned the application; with the running deadline."""

    template: Literal["assigned_to_bd"] = "assigned_to_bd"
    deadline: Clock | None = None
    new_bd: Person | None = None

    @property
    def addressee(self) -> Person | None:
        """The new BD."""
        return self.new_bd


class HandedOver(ToBd):
    """To the BD before: the lead has reassigned the application."""

    farewell: ClassVar[bool] = True

    template: Literal["handed_over"] = "handed_over"
    former_bd: Person

    @property
    def addressee(self) -> Person:
        """The BD before."""
        return self.former_bd


class AssignedToLead(ToBdLead):
    """To the new lead: the application is his; with the running deadline."""

    template: Literal["assigned_to_lead"] = "assigned_to_lead"
    deadline: Clock | None = None
    new_lead: Person | None = None

    @property
    def addressee(self) -> Person | None:
        """The new lead."""
        return self.new_lead


class LeadHandedOver(ToBdLead):
    """To the lead before: the application is another's."""

    farewell: ClassVar[bool] = True

    template: Literal["lead_handed_over"] = "lead_handed_over"
    former_lead: Person
    bd_lead: Person

    @property
    def addressee(self) -> Person:
        """The lead before."""
        return self.former_lead
