"""Peak speed and power of the devices that models are trained on, each with its source."""

from typing import NamedTuple


class Device(NamedTuple):
    """Dense bfloat16 peak in FLOP/s (2 FLOPs a multiply-add) and board power in watts, per JAX device."""

    peak_flops: float | None
    power_w: float | None
    source: str


# Keyed by a lower-case part of jax.Device.device_kind; the first that occurs in it counts.
DEVICES = {
    "h200": Device(989e12, 700.0, "NVIDIA H200 SXM data sheet"),
    "h100 pcie": Device(756e12, 350.0, "NVIDIA H100 PCIe data sheet"),
    "h100": Device(989e12, 700.0, "NVIDIA H100 SXM data sheet"),
    "a100": Device(312e12, 400.0, "NVIDIA A100 SXM data sheet"),
    "v100": Device(125e12, 300.0, "NVIDIA V100 SXM2 data sheet (float16)"),
    "l4": Device(121e12, 72.0, "NVIDIA L4 data sheet"),
    "t4": Device(65e12, 70.0, "NVIDIA T4 data sheet (float16)"),
    "tpu v6": Device(918e12, None, "Google Cloud TPU v6e documentation"),
    "tpu v5p": Device(459e12, None, "Google Cloud TPU v5p documentation"),
    "tpu v5": Device(197e12, None, "Google Cloud TPU v5e documentation"),
    "tpu v4": Device(275e12, 192.0, "Jouppi et al. 2023, table 4 (maximum power a chip)"),
    "tpu v3": Device(61.5e12, None, "Google Cloud TPU v3 documentation (half a chip: one core a device)"),
    "tpu v2": Device(22.5e12, None, "Google Cloud TPU v2 documentation (half a chip: one core a device)"),
}


def find_device(device_kind: str) -> Device | None:
    """The entry for `jax.Device.device_kind`, or None where nothing is known of it."""
    kind = device_kind.lower()
    return next((device for key, device in DEVICES.items() if key in kind), None)


PUE = 1.1  # data centre energy over device energy
KG_CO2_PER_KWH = 0.385


class Energy(NamedTuple):
    kwh: float
    kg_co2: float


def energy(device_kind: str, device_hours: float, watts: float = 0.0) -> Energy | None:
    """Energy and carbon of training: device hours x power x PUE 1.1 x 0.385 kg/kWh ('Navigating Scaling
    Laws', appendix); None where the power is unknown.

    - device_kind: of jax.Device.
    - device_hours: of all devices together.
    - watts: power of one device; 0 takes that of its kind.
    """
    device = find_device(device_kind)
    power = watts or (device.power_w if device else None)
    if not power:
        return None
    kwh = device_hours * power / 1000 * PUE
    return Energy(kwh, kwh * KG_CO2_PER_KWH)
