"""Exchange with other tools: NIR graphs, Neo recordings, weights for chips, events and event cameras.

What is exchanged, and by which formulas, is set down in docs/exchange.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..io.events import read_events, write_events
    from .cameras import in_ticks, nmnist_files, read_aedat, read_nmnist
    from .chips import read_weights, write_weights
    from .exporting import export
    from .neo_recordings import from_neo, to_neo
    from .nir_circuits import ImportedCircuit, from_nir, import_nir
    from .nir_from_circuits import beyond_circuit, circuit_to_nir, read_circuit, write_circuit
    from .nir_networks import Exchanged, beyond_nir, read_nir, to_nir, write_nir

# as in neurofa itself, a name is imported when it is first asked for: nir and neo take their time
_HOME = {
    **dict.fromkeys(("in_ticks", "nmnist_files", "read_aedat", "read_nmnist"), "cameras"),
    **dict.fromkeys(("read_weights", "write_weights"), "chips"),
    **dict.fromkeys(("read_events", "write_events"), ".io.events"),  # with the dot in front: beside this package
    "export": "exporting",
    **dict.fromkeys(("from_neo", "to_neo"), "neo_recordings"),
    **dict.fromkeys(("ImportedCircuit", "from_nir", "import_nir"), "nir_circuits"),
    **dict.fromkeys(("beyond_circuit", "circuit_to_nir", "read_circuit", "write_circuit"), "nir_from_circuits"),
    **dict.fromkeys(("Exchanged", "beyond_nir", "read_nir", "to_nir", "write_nir"), "nir_networks"),
}

__all__ = [
    "Exchanged",
    "ImportedCircuit",
    "beyond_circuit",
    "beyond_nir",
    "circuit_to_nir",
    "export",
    "from_neo",
    "from_nir",
    "import_nir",
    "in_ticks",
    "nmnist_files",
    "read_aedat",
    "read_circuit",
    "read_events",
    "read_nir",
    "read_nmnist",
    "read_weights",
    "to_neo",
    "to_nir",
    "write_circuit",
    "write_events",
    "write_nir",
    "write_weights",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'neurofa.exchange' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
