"""What the machine tells of its own speed while it measures: clocks, and whether they were held down."""

from pathlib import Path

import torch

FREQUENCIES = "sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"  # kHz
THROTTLED = 0x8 | 0x20 | 0x40 | 0x80  # NVML: hardware slowdown, software and hardware thermal slowdown, power brake


def clock_state(device: str, root: Path = Path("/")) -> dict[str, float | int]:
    """`latency_clock_mhz` (the mean over CPU cores, or the GPU's) and of a GPU `latency_throttled`; empty where nothing is told."""
    if not device or torch.device(device).type == "mps":
        return {}
    return _gpu(device) if torch.device(device).type == "cuda" else _cpu(root)


def _cpu(root: Path) -> dict[str, float | int]:
    read = [float(file.read_text()) / 1e3 for file in root.glob(FREQUENCIES)]
    info = root / "proc" / "cpuinfo"  # a virtual machine often tells it here only
    lines = info.read_text().splitlines() if not read and info.is_file() else []
    read = read or [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return {"latency_clock_mhz": round(sum(read) / len(read), 1)} if read else {}


def _gpu(device: str) -> dict[str, float | int]:
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        clock = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
        reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    except Exception:  # no pynvml, no right to ask, a GPU that does not say: the measurement stands without it
        return {}
    return {"latency_clock_mhz": clock, "latency_throttled": int(bool(reasons & THROTTLED))}
