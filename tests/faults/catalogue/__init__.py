"""The catalogue of faults: a module for each, found by its name."""

from importlib import import_module
from pkgutil import iter_modules

from .registry import Variant, registered, variant

__all__ = ["Variant", "chosen", "variant", "variants"]


def variants() -> list[Variant]:
    """All variants, fault by fault."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return registered()


def chosen(faults: list[str], name_contains: str = "") -> list[Variant]:
    """The variants of these faults (all if none is named) whose names contain the text."""
    wanted = {fault.upper() for fault in faults}
    found = [
        variant
        for variant in variants()
        if (not wanted or variant.fault in wanted) and name_contains in variant.name
    ]
    missing = wanted - {variant.fault for variant in found}
    if missing:
        raise ValueError(f"no such variant of {', '.join(sorted(missing))}")
    return found
