"""Which changes earn their keep: the finished architecture without each of them."""

from search.plans import PLANS, Plan, Planner, Request
from search.plans._two_ends import checked_ends, each_alone


def leave_one_out(request: Request) -> Plan:
    """Arms are `against` with one of its changes from the reference taken back."""
    start, end = checked_ends(request)
    return each_alone(request, end, start, f"{end.name} without each of its changes from {start.name}")


PLANS.register("leave_one_out")(Planner(leave_one_out, two_ended=True, uses=("choices",)))
