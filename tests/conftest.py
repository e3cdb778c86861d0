"""For all tests."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # commands.py


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """The networks here are small: several threads would wait for each other, and would add up in another order each time."""
    torch.set_num_threads(1)
