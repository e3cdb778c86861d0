"""What each change brings by itself: the reference with one of them at a time."""

from search.plans import PLANS, Plan, Planner, Request
from search.plans._two_ends import checked_ends, each_alone


def add_one_in(request: Request) -> Plan:
    """Arms are the reference with one of the changes that lead to `against`."""
    start, end = checked_ends(request)
    return each_alone(request, start, end, f"{start.name} with each of the changes to {end.name} alone")


PLANS.register("add_one_in")(Planner(add_one_in, two_ended=True, uses=("choices",)))
