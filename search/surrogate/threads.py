"""One thread for the linear algebra of an ask: matrices of some hundred rows gain nothing from more, and beside trainings that take
every core, threads that wait for one another in a loop take several times as much computing."""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    """Of the libraries that are loaded by the first ask; finding them takes longer than limiting them."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    return _controller().limit(limits=1, user_api="blas")
