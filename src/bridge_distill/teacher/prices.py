"""What a token costs: the run file's own prices first, then the dated list that genai-prices carries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

from bridge_distill.config import Budget, Price, Teacher
from bridge_distill.errors import UserError
from bridge_distill.teacher.budget import Usage
from bridge_distill.teacher.providers import providers

UNPRICED = "unpriced"


@dataclass(frozen=True, slots=True)
class Tariff:
    """The price of one model and where it was found; without a price, requests are charged 0.

    ``share`` is the part of the price that is charged: less than 1 for a batch.
    """

    model: str
    price: Price | None
    source: str
    share: Decimal = Decimal(1)

    def micros(self, usage: Usage) -> int:
        """Millionths of a dollar for one attempt, rounded up.

        A dollar a million tokens is a millionth of a dollar a token, so the product is in micros.
        Rounding up each attempt keeps every sum a whole number and never below what was billed; it
        overstates by under a dollar in a million attempts.
        """
        if self.price is None:
            return 0
        exact = self.price.input * usage.input_tokens + self.price.output * usage.output_tokens
        return int((exact * self.share).to_integral_value(ROUND_CEILING))

    def batched(self, known: Decimal | None) -> Tariff:
        """The tariff of a batch: the run file's share first, then the provider's ``known`` one, else no discount."""
        own = self.price.batch if self.price is not None else None
        return replace(self, share=own or known or Decimal(1))


def price_of(teacher: Teacher) -> tuple[Price, str] | None:
    """The teacher's price and its source, or None where it is not known. Never asks the network."""
    model = model_of(teacher)
    if model in teacher.prices:
        return teacher.prices[model], "teacher.prices"
    vendor = providers.get(teacher.provider, "teacher.provider").vendor
    return None if vendor is None else _listed(model, vendor, teacher.base_url)


def tariff_of(teacher: Teacher, budget: Budget) -> Tariff:
    """The price to charge; raises ``UserError`` where a USD cap has no price to hold it by."""
    model, found = model_of(teacher), price_of(teacher)
    if found is not None:
        return Tariff(model, *found)
    wider = [caps for caps in (budget, budget.study, budget.store) if caps is not None]
    capped = next((caps.usd for caps in wider if caps.usd is not None), None)
    if capped is not None:
        cure = f"add teacher.prices: {{{model}: {{input: 0.15, output: 0.60}}}}, in USD per million tokens"
        raise UserError("budget.usd", f"{capped} cannot be held, for model {model!r} has no known price", cure)
    return Tariff(model, None, UNPRICED)


def model_of(teacher: Teacher) -> str:
    """The model's name; a provider that is part of this program is its own model by default."""
    if teacher.model:
        return teacher.model
    if providers.get(teacher.provider, "teacher.provider").vendor is not None:
        raise UserError("teacher.model", "is not set", f"name a model of provider {teacher.provider}")
    return teacher.provider


def _listed(model: str, vendor: str, base_url: str | None) -> tuple[Price, str] | None:
    import genai_prices

    where: dict[str, Any] = {"provider_id": vendor} if base_url is None else {"provider_api_url": base_url}
    try:
        listed = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1, output_tokens=1), model, **where
        ).model_price
    except LookupError:
        return None
    if listed.input_mtok is None or listed.output_mtok is None or getattr(listed, "requests_kcount", None) is not None:
        return None
    price = Price(input=_highest(listed.input_mtok), output=_highest(listed.output_mtok))
    return price, f"genai-prices {genai_prices.__version__}"


def _highest(price: Any) -> Decimal:
    # A price that rises with the prompt's length is charged at its highest, so that no cap is ever overrun.
    if isinstance(price, Decimal):
        return price
    highest: Decimal = max(price.base, *(tier.price for tier in price.tiers))
    return highest
