"""Chip profiles: TOML files in which every number has its source.

A file has ``name``, ``title``, ``notes`` (what of the chip is not modelled), the tables of `neurofa.Hardware`, a table
``[facts]`` of what is known beyond them, and ``[sources.KEY]`` with a title and a URL each::

    name = "odin"
    [weights]
    lowest = { value = -7, source = "odin_repository", verified = true }
    [sources.odin_repository]
    title = "ODIN, repository"
    url = "https://github.com/ChFrenkel/ODIN"

``verified`` says that the number was read in that source, and not taken from memory or from hearsay. Choices of
neurofa's, such as a headroom, have the source ``neurofa`` and ``verified = false``. Files of users may give bare
values, without sources.
"""

import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from ..io.validation import Table, Where, line, read_toml, shown, validate
from ..spec import Energy, Hardware, InputError, Learning, Levels, Limits, Neurons, State, TraceLevels
from ..spec.errors import nearest_hint, require_kind

SUFFIX = ".toml"
TABLES: dict[str, type] = {
    "weights": Levels,
    "feedback": Levels,
    "modulators": Levels,
    "traces": TraceLevels,
    "state": State,
    "neurons": Neurons,
    "limits": Limits,
    "learning": Learning,
    "energy": Energy,
}
KEYS = ("name", "title", "notes", *TABLES, "facts", "sources")
FACT_KEYS = ("value", "source", "verified")
SOURCE_KEYS = ("title", "url")


class Fact(NamedTuple):
    """A number of a profile, and where it comes from.

    Parameters
    ----------
    key
        Table and name in the file, such as ``weights.lowest``.
    value
        A number, or what else TOML has.
    source, url
        Title and address of the source; empty for a bare value.
    verified
        Whether the number was read in that source.
    """

    key: str
    value: Any
    source: str
    url: str
    verified: bool


class Profile(NamedTuple):
    """All that a profile's file says.

    Parameters
    ----------
    hardware
        The chip.
    facts
        Every number with its source, in the order of the tables of `neurofa.Hardware`, then those of ``[facts]``.
    notes
        What of the chip is not modelled.
    """

    hardware: Hardware
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]


def profile_names() -> list[str]:
    """Names of the bundled profiles, sorted; `load_profile` takes each of them."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _folder().iterdir() if entry.name.endswith(SUFFIX))


def load_profile(name_or_path: str | os.PathLike[str]) -> Hardware:
    """Hardware from a bundled profile or a TOML file.

    Parameters
    ----------
    name_or_path
        A name of `profile_names`, or the path of a file (whatever ends in ``.toml`` or has a folder in it).

    Returns
    -------
    Hardware

    Raises
    ------
    InputError
        In one line: the file, the dotted key, what is wrong with it and what is allowed.
    """
    return read_profile(name_or_path).hardware


def as_profile(hardware: object) -> Hardware:
    """Hardware as it is, or the profile of that name or file.

    Parameters
    ----------
    hardware
        A `Hardware`, or as for `load_profile`.

    Returns
    -------
    Hardware

    Raises
    ------
    InputError
        For anything else, and as `load_profile`.
    """
    if isinstance(hardware, str | os.PathLike):
        return load_profile(hardware)
    require_kind("hardware", hardware, Hardware, hint="a name of `neurofa hardware`, or an nf.Hardware")
    assert isinstance(hardware, Hardware)
    return hardware


def provenance(name_or_path: str | os.PathLike[str]) -> list[Fact]:
    """Every number of a profile with its source.

    Parameters
    ----------
    name_or_path
        As for `load_profile`.

    Returns
    -------
    list of Fact
        `Profile.facts`.

    Raises
    ------
    InputError
        As `load_profile`.
    """
    return list(read_profile(name_or_path).facts)


def read_profile(name_or_path: str | os.PathLike[str]) -> Profile:
    """All of a profile's file.

    Parameters
    ----------
    name_or_path
        As for `load_profile`.

    Returns
    -------
    Profile

    Raises
    ------
    InputError
        As `load_profile`.
    """
    require_kind("profile", name_or_path, str | os.PathLike, hint="a name that `neurofa hardware` lists, or a file")
    where = Where(str(name_or_path))
    remedy = f"give a profile in TOML, or choose one of: {', '.join(profile_names())}"
    return _profile(read_toml(_locate(name_or_path), where, remedy), where)


def _folder() -> Traversable:
    return files("neurofa.hardware") / "profiles"


def _locate(name_or_path: str | os.PathLike[str]) -> Traversable:
    given = os.fspath(name_or_path)
    if given.endswith(SUFFIX) or os.path.dirname(given):
        return Path(given).expanduser()
    names = profile_names()
    if given not in names:
        hint = nearest_hint(given, names, most=3)
        raise InputError(
            f"hardware {given!r} is unknown{hint}; choose one of: {', '.join(names)}; or give the path of a TOML file"
        )
    return _folder() / (given + SUFFIX)


def _profile(table: Table, where: Where) -> Profile:
    where.table(table, "", KEYS)
    sources = where.table(table.get("sources", {}), "sources")
    for key, source in sources.items():
        own = where.table(source, f"sources.{key}", SOURCE_KEYS)
        for field in SOURCE_KEYS:
            if not isinstance(own.get(field), str):
                where.fail(f"sources.{key}.{field}", "must be a string")
    notes = table.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        where.fail("notes", f"must be a list of strings, not {shown(notes)}")
    for key in ("name", "title"):
        if not isinstance(table.get(key, ""), str):
            where.fail(key, f"must be a string, not {shown(table[key])}")
    facts: list[Fact] = []
    given: dict[str, Any] = {key: table[key] for key in ("name", "title") if key in table}
    for key in (key for key in (*TABLES, "facts") if key in table):
        own = where.table(table[key], key)
        values = {name: _fact(value, f"{key}.{name}", sources, where, facts) for name, value in own.items()}
        if key in TABLES:
            given[key] = validate(TABLES[key], values, key, where)
    try:
        return Profile(Hardware(**given), tuple(facts), tuple(notes))
    except InputError as error:
        raise InputError(f"{where.label}: {line(error)}") from None


def _fact(value: Any, key: str, sources: Table, where: Where, facts: list[Fact]) -> Any:
    """A bare value, or that of an inline table with its source, noted down in `facts`."""
    if not isinstance(value, dict):
        facts.append(Fact(key, value, "", "", False))
        return value
    where.table(value, key, FACT_KEYS)
    if "value" not in value:
        where.fail(f"{key}.value", "is missing")
    source, verified = value.get("source"), value.get("verified", False)
    if source is not None and (not isinstance(source, str) or source not in sources):
        where.fail(f"{key}.source", f"names {shown(source)}, but there is no table [sources.{source}]")
    if not isinstance(verified, bool):
        where.fail(f"{key}.verified", f"must be true or false, not {shown(verified)}")
    if verified and source is None:
        where.fail(f"{key}.verified", "is true, but no source is named; name one, or leave it out")
    named = sources[source] if source is not None else {"title": "", "url": ""}
    facts.append(Fact(key, value["value"], named["title"], named["url"], verified))
    return value["value"]


def profiles_table() -> str:
    """The bundled profiles as a table in Markdown: what docs/chips.md shows."""
    head = (
        "profile",
        "what it is",
        "weights",
        "rounding",
        "membrane",
        "cores x neurons",
        "fan-in",
        "learns",
        "pJ/synop",
        "read",
    )
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name in profile_names():
        profile = read_profile(name)
        lines.append(f"| `{name}` | {' | '.join(_cells(profile.hardware, profile.facts))} |")
    return "\n".join(lines) + "\n"


def _cells(chip: Hardware, facts: tuple[Fact, ...]) -> tuple[str, ...]:
    """Of a row: what is not known, or not limited, is left empty."""
    weights, limits = chip.weights, chip.limits
    levels = "32-bit" if weights is None else f"{weights.lowest} ... {weights.highest}"
    if weights is not None and weights.step > 1:
        levels += f" by {weights.step}"
    neurons = limits.neurons_per_core
    cores = "" if limits.cores is None else f"{limits.cores}" + ("" if neurons is None else f" x {neurons}")
    of_the_chip = [fact for fact in facts if fact.url]
    read = f"{sum(fact.verified for fact in of_the_chip)} of {len(of_the_chip)}" if of_the_chip else ""
    return (
        chip.title,
        levels,
        "" if weights is None else weights.rounding,
        "" if chip.state is None else f"{chip.state.membrane_bits} bits",
        cores,
        "" if limits.fan_in is None else str(limits.fan_in),
        "yes" if chip.learning.on_chip else "no",
        "" if chip.energy.synop_pj is None else f"{chip.energy.synop_pj:g}",
        read,
    )
