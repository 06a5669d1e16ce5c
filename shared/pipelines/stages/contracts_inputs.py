"""What each stage is given: figures of a business by closed names. What is not known is left out, never guessed."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.contracts import Contract
from shared.pipelines.stages.contracts_outputs import (
    BlueOceanOutput,
    CompetitiveLensOutput,
    OwnerLoadOutput,
    QuantSignalsOutput,
)
from shared.pipelines.stages.contracts_parts import (
    Company,
    Count,
    Days,
    Factor,
    Flag,
    Grade,
    Hours,
    Level3,
    Percent,
    Rival,
)

# --- quant_signals --------------------------------------------------------------------------------------------------


class Quotes(Contract):
    """Quotes of the months looked at. ``won_pct``: the share of the answered ones that became work."""

    sent: Count
    won_pct: Percent
    days_to_answer: Days = Field(description="Typical days until a client answers.")
    waiting_over_14_days: Count


class Invoices(Contract):
    """Invoices of the months looked at."""

    sent: Count
    days_to_paid: Days = Field(description="Typical days from invoice to money.")
    overdue_pct: Percent = Field(description="Share of the open balance that is past its due date.")
    overdue_over_60_days: Count


class Jobs(Contract):
    """Work of the months looked at."""

    finished: Count
    late: Count = Field(description="Finished or due after the promised day.")
    reworked: Count = Field(description="Done again without pay.")
    weeks_booked_ahead: Annotated[int, Field(strict=True, ge=0, le=104)]


class Money(Contract):
    """What is earned, and how long it lasts."""

    revenue_change_pct: Annotated[int, Field(strict=True, ge=-100, le=1_000)] = Field(
        description="Against the same months a year before."
    )
    margin_pct: Annotated[int, Field(strict=True, ge=-100, le=100)]
    cash_weeks: Annotated[int, Field(strict=True, ge=0, le=520)] = Field(
        description="Weeks that the cash at hand pays for, with no money coming in."
    )
    largest_client_pct: Percent = Field(description="The largest client's share of the revenue.")
    repeat_pct: Percent = Field(description="Share of the revenue from clients who had bought before.")


class Capacity(Contract):
    """How busy the people are."""

    utilisation_pct: Annotated[int, Field(strict=True, ge=0, le=200)] = Field(
        description="Paid work over the hours that there are."
    )
    overtime_hours_a_week: Hours
    open_positions: Count


class QuantSignalsInput(Contract):
    """The figures of some months, one part for each area that the business has figures of."""

    schema_version: Literal["stage_input_quant_signals_v1"]
    company: Company
    months: Annotated[int, Field(strict=True, ge=1, le=24)] = Field(description="Months looked at.")
    quotes: Quotes | None = None
    invoices: Invoices | None = None
    jobs: Jobs | None = None
    money: Money | None = None
    capacity: Capacity | None = None

    @model_validator(mode="after")
    def _not_nothing(self) -> Self:
        if not any((self.quotes, self.invoices, self.jobs, self.money, self.capacity)):
            raise ValueError("needs the figures of one area at least")
        return self


# --- emyth_owner_load -----------------------------------------------------------------------------------------------


class RoleLoad(Contract):
    """Who carries one role: hours a week of the owner and of all others, and whether it runs without the owner."""

    owner_hours: Hours
    team_hours: Annotated[int, Field(strict=True, ge=0, le=10_000)]
    documented: Flag = Field(description="Whether somebody else could do it from what is written down.")
    deputy: Flag = Field(description="Whether somebody else may decide in it.")


class Roles(Contract):
    """The roles that the business knows the hours of."""

    delivery: RoleLoad | None = None
    sales: RoleLoad | None = None
    office: RoleLoad | None = None
    finance: RoleLoad | None = None
    people: RoleLoad | None = None
    planning: RoleLoad | None = None

    @model_validator(mode="after")
    def _not_nothing(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("needs the hours of one role at least")
        return self


class OwnerWeek(Contract):
    """The owner's time as a whole."""

    hours_a_week: Hours
    weeks_off_a_year: Annotated[int, Field(strict=True, ge=0, le=52)]
    interruptions_a_day: Annotated[int, Field(strict=True, ge=0, le=500)] | None = None
    decisions_only_owner_pct: Percent | None = Field(
        default=None, description="Share of a usual week's decisions that nobody else may take."
    )


class OwnerLoadInput(Contract):
    """Where the owner's hours go."""

    schema_version: Literal["stage_input_emyth_owner_load_v1"]
    company: Company
    owner: OwnerWeek
    roles: Roles


# --- competitive_lens -----------------------------------------------------------------------------------------------


class Market(Contract):
    """The market as the owner sees it."""

    demand: Literal["falling", "flat", "rising"]
    price_sensitivity: Level3
    entry: Literal["easy", "usual", "hard"] = Field(description="How easily a new firm starts in it.")


class Profile(Contract):
    """How a firm presents itself. What nobody knows of it is left out."""

    price: Literal["lower", "usual", "higher"]
    days_to_start: Days | None = None
    rating_tenths: Annotated[int, Field(strict=True, ge=0, le=50)] | None = Field(
        default=None, description="Public rating of 0 to 5 stars, in tenths."
    )
    reviews: Count | None = None
    guarantee: Flag | None = None
    focus: Literal["general", "focused", "niche"] | None = None


class CompetitiveLensInput(Contract):
    """The business beside its competitors, each under a letter."""

    schema_version: Literal["stage_input_competitive_lens_v1"]
    company: Company
    market: Market
    own: Profile
    rivals: dict[Rival, Profile] = Field(max_length=8)


# --- blue_ocean -----------------------------------------------------------------------------------------------------


class FactorLevels(Contract):
    """One factor of the value curve: what is offered here, what the field offers, and what it means to clients."""

    own: Grade
    field: Grade = Field(description="What competitors usually offer.")
    value: Grade | None = Field(default=None, description="How much clients care.")
    cost: Grade | None = Field(default=None, description="How much offering it costs.")


class NonClients(Contract):
    """Why people who could buy do not: shares of those asked."""

    too_expensive_pct: Percent
    do_it_themselves_pct: Percent
    never_heard_pct: Percent


class BlueOceanInput(Contract):
    """The value curve, by factor."""

    schema_version: Literal["stage_input_blue_ocean_v1"]
    company: Company
    factors: dict[Factor, FactorLevels] = Field(min_length=3)
    non_clients: NonClients | None = None


# --- synthesis_decision ---------------------------------------------------------------------------------------------


class SynthesisInput(Contract):
    """What the four other stages said."""

    schema_version: Literal["stage_input_synthesis_decision_v1"]
    company: Company
    quant_signals: QuantSignalsOutput
    emyth_owner_load: OwnerLoadOutput
    competitive_lens: CompetitiveLensOutput
    blue_ocean: BlueOceanOutput


StageInput = QuantSignalsInput | OwnerLoadInput | CompetitiveLensInput | BlueOceanInput | SynthesisInput
