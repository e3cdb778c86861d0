"""Trained weights in any network of ours: published checkpoints under our names, and as much of them as another network can use.

A source is one file: it registers a `Source`, which recognises its checkpoints by their names and converts them to `Weights`.
`read` finds the source of a file; `take` brings weights into a network wherever they mean the same there.
"""

from registry import import_siblings
from space.weights._read import read
from space.weights._take import Taken, take
from space.weights._weights import SOURCES, Source, Weights

__all__ = ["SOURCES", "Source", "Taken", "Weights", "read", "take"]

import_siblings(__name__)
