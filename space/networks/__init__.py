"""Networks: each file turns one kind of typed architecture into a module, and registers itself under its own file's name.

A network is an `nn.Module` class with
- `Arch`: the frozen dataclass of everything an architecture may choose. Field types: int, float, str, `Literal[...]`,
  `tuple[int, ...]`, a slot's annotation (`Mixer`), a frozen dataclass, or a tuple of one (a repeat: `layer: tuple[Layer, ...]`);
- `__init__(self, arch, classes, image_size, drop_path)`, image_size the (height, width) it is built for, drop_path the peak rate of
  stochastic depth; a network that has no use for one of the last two leaves it out;
- `pixels`, where it reads images otherwise than normalised as usual: see `evaluators.loading.normalised`;
- `for_measuring()`, where its work depends on the image: returns the network in the state whose cost and latency stand for its use;
- a static `widened(arch, factor) -> arch`: the same architecture with its channels scaled, the training proxy's.
"""

from registry import Registry, import_siblings

NETWORKS: Registry[type] = Registry("network")

import_siblings(__name__)
