"""What a trial occupies of a machine: how many fit, and in words."""

from collections.abc import Mapping


def fits(node: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    """Trials that a node's resources hold at a time. Those that share a GPU share one: of 0.4 each GPU holds two."""
    cpu, gpu, gpus = wanted["cpu"], wanted["gpu"], int(node.get("GPU", 0))
    by_cpu = [int(node.get("CPU", 0) / cpu)] if cpu else []
    by_gpu = [gpus * int(1 / gpu) if gpu < 1 else int(gpus / gpu)] if gpu else []
    return min([*by_cpu, *by_gpu], default=1)


def shown(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{number:g} {kind.upper()}" for kind, number in resources.items() if number) or "nothing reserved"
