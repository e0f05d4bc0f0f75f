# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The model card: what an ensemble is, what it takes, and how its answers are calibrated. Loads no torch.

A card comes from a file that anyone may have written, so everything in it is checked before anything is done with it.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields

from ..exceptions import EnsembleError
from .combination import PAPER_WEIGHTS

__all__ = ["FORMAT_VERSION", "Card", "Member"]

FORMAT_VERSION = 1
"""Version of the card's own format."""

_MAX_BYTES = 1_000_000
_MAX_MEMBERS = 64
_MAX_FEATURES = 256
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SYSTEM = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]{0,7}")
_MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.safetensors")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes
    ----------
    name : str
        Its name, by which the combination gives it a weight.
    file : str
        Name of its weight file inside the ensemble's folder; empty before it is saved.
    sha256 : str
        Digest of that file; empty before it is saved.
    """

    name: str
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Card:
    """All that is known of an ensemble besides its weights.

    Attributes
    ----------
    name, version, description : str
        What it is called. The name is lower-case letters, digits, ``_`` and ``-``.
    architecture : str
        Key of `stellarclass.nets.weights.ARCHITECTURES`.
    architecture_kwargs : dict
        What the architecture's class is called with.
    recipe : dict
        How its inputs are made: `stellarclass.stamps.recipes.to_dict`.
    classes : tuple of str
        The classes it knows, in the order of its outputs.
    label_systems : dict
        For each system that it speaks a mapping with ``description``, ``calibration``, ``class_mix`` and ``fit``, each
        of which may be missing. The calibration may hold ``temperature`` (1), ``bias`` (0 for each class) and
        ``threshold`` (the level of class sets), see `stellarclass.nets.combination.calibrate` and
        `~stellarclass.nets.combination.class_sets`.
        ``class_mix`` are the shares of the classes among the stars that the calibration is for; without it the answer
        for another mix cannot be had. ``fit`` is for people: where the labels came from, what cross-validation gave.
    default_label_system : str
        One of them.
    members : tuple of Member
        The networks.
    combination : dict
        ``rule``: ``"mescr"`` (the paper's: weights for the classes, plain mean for the radius) or ``"mixture"`` (the
        same weights for both); ``weights``: a number per member's name. Without weights ``"mescr"`` takes the
        paper's, ``"mixture"`` equal ones.
    radius_space : {"linear", "log10"}
        Whether the networks predict radius in solar radii or its decimal logarithm.
    radius_calibration : dict
        ``scale`` (1) multiplies the standard deviation in that space; ``lower`` and ``upper`` are the ends of the
        interval in units of the scaled one (by default those of a Gaussian at the card's level). With ``groups`` each
        of the three is a table, a row for each bin of parallax S/N and a column for each class: ``groups`` holds
        ``input``, ``column`` and ``present`` (columns of that input: the quantity that is binned, and whether there is
        any), ``edges`` (ascending; the first bin is for stars without) and ``label_system`` (whose most probable class
        is meant).
    levels : dict
        ``class_set`` and ``radius_interval``: share of stars meant to lie in each, 0.9 by default.
    domain : dict or None
        Training domain: ``input`` (name of an input of shape (N, D)), ``center`` (D), ``precision`` (D, D), ``limit``;
        see `stellarclass.nets.combination.domain_score`. It may hold ``intruder_limit``, the probability of being no
        star of these classes at which the domain ends as well, for networks that give one, and ``radius_sigma``: the
        standard deviation, in the radius space, that is added in full to an answer that is far outside.
    training : dict
        Data, seed, date, versions, command, epochs, metrics: free, for people.
    citation, license : str
        Whom to cite, and under which terms the weights may be used.
    format_version : int
        ``FORMAT_VERSION``.

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If anything is missing, unknown, or out of bounds; the message names it.
    """

    name: str
    version: str
    description: str
    architecture: str
    architecture_kwargs: dict
    recipe: dict
    classes: tuple
    label_systems: dict
    default_label_system: str
    members: tuple
    combination: dict = field(default_factory=lambda: {"rule": "mixture"})
    radius_space: str = "linear"
    radius_calibration: dict = field(default_factory=dict)
    levels: dict = field(default_factory=lambda: {"class_set": 0.9, "radius_interval": 0.9})
    domain: dict | None = None
    training: dict = field(default_factory=dict)
    citation: str = ""
    license: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self):
        _check(
            self.format_version == FORMAT_VERSION and type(self.format_version) is int,
            "format_version",
            f"{self.format_version!r} is not {FORMAT_VERSION}; another version of stellarclass wrote this card",
        )
        _matches(self.name, _NAME, "name")
        for name, limit in (("version", 64), ("description", 2000), ("citation", 5000), ("license", 2000)):
            value = getattr(self, name)
            _check(isinstance(value, str) and len(value) <= limit, name, f"is not text of at most {limit} characters")
        _matches(self.architecture, _SYSTEM, "architecture")
        for name in ("architecture_kwargs", "recipe", "training"):
            _mapping(getattr(self, name), name)
        object.__setattr__(self, "classes", _names(self.classes, _CLASS, "classes", 100))
        members = tuple(_member(m) for m in _sequence(self.members, "members", _MAX_MEMBERS))
        object.__setattr__(self, "members", members)
        for what in ("name", "file"):
            values = [getattr(m, what) for m in members if getattr(m, what)]
            _check(len(set(values)) == len(values), "members", f"have the same {what} twice")
        self._check_label_systems()
        self._check_combination()
        self._check_radius()
        if self.domain is not None:
            self._check_domain()

    def _check_label_systems(self):
        systems = _mapping(self.label_systems, "label_systems")
        _names(tuple(systems), _SYSTEM, "label_systems", 32)
        for system, entry in systems.items():
            where = f"label_systems.{system}"
            _only(_mapping(entry, where), {"description", "calibration", "class_mix", "fit"}, where)
            _mapping(entry.get("fit", {}), f"{where}.fit")
            _check(isinstance(entry.get("description", ""), str), where, "has a description that is not text")
            if entry.get("class_mix") is not None:
                self._check_mix(entry["class_mix"], f"{where}.class_mix")
            where += ".calibration"
            values = _only(_mapping(entry.get("calibration", {}), where), {"temperature", "bias", "threshold"}, where)
            _number(values.get("temperature", 1.0), f"{where}.temperature", 1e-3, 1e3)
            _number(values.get("threshold", 0.9), f"{where}.threshold", 0, 1)
            bias = _sequence(values.get("bias", [0.0] * len(self.classes)), f"{where}.bias", 100)
            _check(
                len(bias) == len(self.classes),
                f"{where}.bias",
                f"has {len(bias)} numbers for {len(self.classes)} classes",
            )
            for value in bias:
                _number(value, f"{where}.bias", -100, 100)
        _check(
            isinstance(self.default_label_system, str) and self.default_label_system in systems,
            "default_label_system",
            f"{self.default_label_system!r} is not among {', '.join(systems)}",
        )

    def _check_mix(self, mix, where):
        _check(
            len(_sequence(mix, where, 100)) == len(self.classes),
            where,
            f"has {len(mix)} numbers for {len(self.classes)} classes",
        )
        for share in mix:
            _number(share, where, 1e-9, 1e12)

    def _check_combination(self):
        values = _only(_mapping(self.combination, "combination"), {"rule", "weights"}, "combination")
        rule, weights = values.get("rule"), values.get("weights")
        _check(
            isinstance(rule, str) and rule in ("mescr", "mixture"),
            "combination.rule",
            f"{rule!r} is neither 'mescr' nor 'mixture'",
        )
        names = [m.name for m in self.members]
        if weights is None:
            _check(
                rule != "mescr" or set(names) == set(PAPER_WEIGHTS),
                "combination.weights",
                f"are missing, and the paper's are for members {', '.join(PAPER_WEIGHTS)}",
            )
            return
        _mapping(weights, "combination.weights")
        _check(
            set(weights) == set(names),
            "combination.weights",
            f"are for {', '.join(map(str, weights))}; the members are {', '.join(names)}",
        )
        for name in names:
            _number(weights[name], f"combination.weights.{name}", 0, 1e6)
        _check(sum(weights.values()) > 0, "combination.weights", "are all 0")

    def _check_radius(self):
        _check(
            self.radius_space in ("linear", "log10"),
            "radius_space",
            f"{self.radius_space!r} is neither 'linear' nor 'log10'",
        )
        where = "radius_calibration"
        values = _only(_mapping(self.radius_calibration, where), {"scale", "lower", "upper", "groups"}, where)
        bins = self._radius_bins(values["groups"]) if "groups" in values else 0
        for name, default, low, high in (("scale", 1.0, 1e-3, 1e3), ("lower", -1.0, -100, 0), ("upper", 1.0, 0, 100)):
            table = values.get(name, default) if not bins else values.get(name)
            rows = _sequence(table, f"{where}.{name}", 100) if bins else [[table]]
            _check(len(rows) == (bins or 1), f"{where}.{name}", f"has {len(rows)} rows for {bins} bins")
            for row in rows:
                columns = _sequence(row, f"{where}.{name}", 100)
                _check(
                    not bins or len(columns) == len(self.classes),
                    f"{where}.{name}",
                    f"has a row that is not of {len(self.classes)} numbers",
                )
                for value in columns:
                    _number(value, f"{where}.{name}", low, high)
        levels = _only(_mapping(self.levels, "levels"), {"class_set", "radius_interval"}, "levels")
        for name in ("class_set", "radius_interval"):
            _check(name in levels, "levels", f"do not say {name}")
            _number(levels[name], f"levels.{name}", 0.01, 0.9999)

    def _radius_bins(self, groups):
        """Number of bins that the groups of the radius calibration make."""
        where = "radius_calibration.groups"
        known = {"input", "column", "present", "edges", "label_system"}
        _only(_mapping(groups, where), known, where)
        _check(set(groups) == known, where, f"does not have all of {', '.join(sorted(known))}")
        _matches(groups["input"], _SYSTEM, f"{where}.input")
        for name in ("column", "present"):
            _check(type(groups[name]) is int, f"{where}.{name}", "is not a whole number")
            _number(groups[name], f"{where}.{name}", 0, _MAX_FEATURES - 1)
        edges = _sequence(groups["edges"], f"{where}.edges", 50)
        for value in edges:
            _number(value, f"{where}.edges", -1e30, 1e30)
        _check(list(edges) == sorted(set(edges)), f"{where}.edges", "do not ascend")
        system = groups["label_system"]
        _check(
            isinstance(system, str) and system in self.label_systems,
            f"{where}.label_system",
            f"{str(system)[:40]!r} is not among {', '.join(self.label_systems)}",
        )
        return len(edges) + 2

    def _check_domain(self):
        needed = {"input", "center", "precision", "limit"}
        values = _only(_mapping(self.domain, "domain"), needed | {"intruder_limit", "radius_sigma"}, "domain")
        _check(needed <= set(values), "domain", "does not have all of input, center, precision, limit")
        _number(values.get("intruder_limit", 0.5), "domain.intruder_limit", 1e-9, 1)
        _number(values.get("radius_sigma", 0.0), "domain.radius_sigma", 0, 100)
        _matches(values["input"], _SYSTEM, "domain.input")
        center = _sequence(values["center"], "domain.center", _MAX_FEATURES)
        rows = _sequence(values["precision"], "domain.precision", _MAX_FEATURES)
        _check(len(rows) == len(center), "domain.precision", f"has {len(rows)} rows for {len(center)} features")
        for row in rows:
            _check(
                len(_sequence(row, "domain.precision", _MAX_FEATURES)) == len(center),
                "domain.precision",
                f"has a row that is not of {len(center)} numbers",
            )
        for value in (*center, *(v for row in rows for v in row)):
            _number(value, "domain", -1e30, 1e30)
        _number(values["limit"], "domain.limit", 1e-9, 1e30)

    @property
    def sha256(self):
        """Digest of all that decides an answer: the members' files, what they are fed, how they are combined.

        Empty for an ensemble that was never saved.
        """
        if not all(m.sha256 for m in self.members):
            return ""
        silent = {"description", "training", "citation", "license"}
        # Not through `to_dict`: what is silent is most of a card, and a digest goes with every table.
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in silent}
        values["members"] = [asdict(m) for m in self.members]
        silent = {"description", "fit"}
        values["label_systems"] = {
            system: {k: v for k, v in entry.items() if k not in silent} for system, entry in self.label_systems.items()
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def to_dict(self):
        """The card as plain JSON-ready values."""
        values = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"format_version": values.pop("format_version"), **values}

    @classmethod
    def from_dict(cls, values):
        """The card that `to_dict` described.

        Raises
        ------
        stellarclass.exceptions.EnsembleError
            If a field is missing, unknown or out of bounds.
        """
        known = {f.name for f in fields(cls)}
        _only(_mapping(values, "(whole)"), known, "(whole)")
        missing = {"format_version", "name", "version", "description", "architecture", "architecture_kwargs", "recipe",
                   "classes", "label_systems", "default_label_system", "members"} - set(values)  # fmt: skip
        _check(not missing, "(whole)", f"lacks {', '.join(sorted(missing))}")
        return cls(**values)

    def write(self, path):
        """Write the card as JSON.

        Parameters
        ----------
        path : path-like
            File to write.
        """
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(self.to_dict(), stream, indent=1, allow_nan=False)
            stream.write("\n")

    @classmethod
    def read(cls, path):
        """Read a card from JSON.

        Parameters
        ----------
        path : path-like
            File to read.

        Returns
        -------
        Card

        Raises
        ------
        stellarclass.exceptions.EnsembleError
            If it is not a card; the message names the file.
        """
        with open(path, "rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise EnsembleError(f"model card {path} is larger than {_MAX_BYTES} bytes")
        try:
            return cls.from_dict(json.loads(raw.decode("utf-8"), parse_constant=_no_constant))
        except EnsembleError as err:
            raise EnsembleError(f"{err} (in {path})") from None
        except (ValueError, RecursionError) as err:
            raise EnsembleError(f"model card {path} is not JSON: {err}") from err


def _no_constant(name):
    raise ValueError(f"{name} is no number")


def _check(good, where, problem):
    if not good:
        raise EnsembleError(f"model card, {where}: {problem}")


def _matches(value, pattern, where):
    _check(
        isinstance(value, str) and pattern.fullmatch(value),
        where,
        f"{str(value)[:80]!r} is not of the form {pattern.pattern}",
    )


def _mapping(value, where):
    _check(isinstance(value, dict) and all(isinstance(k, str) for k in value), where, "is not a mapping of names")
    return value


def _only(value, known, where):
    unknown = sorted(set(value) - known)
    _check(
        not unknown,
        where,
        f"has unknown {', '.join(u[:40] for u in unknown[:5])}; known are {', '.join(sorted(known))}",
    )
    return value


def _sequence(value, where, limit):
    _check(isinstance(value, (list, tuple)) and 1 <= len(value) <= limit, where, f"is not a list of 1 to {limit}")
    return value


def _names(value, pattern, where, limit):
    for item in _sequence(value, where, limit):
        _matches(item, pattern, where)
    _check(len(set(value)) == len(value), where, "has the same name twice")
    return tuple(value)


def _number(value, where, low, high):
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    _check(good, where, f"{str(value)[:40]} is not a number from {low:g} to {high:g}")


def _member(value):
    if not isinstance(value, Member):
        _only(_mapping(value, "members"), {"name", "file", "sha256"}, "members")
        _check("name" in value, "members", "has one without a name")
        value = Member(**value)
    _matches(value.name, _MEMBER, "members.name")
    if value.file != "":
        _matches(value.file, _FILE, "members.file")
    if value.sha256 != "":
        _matches(value.sha256, _SHA256, "members.sha256")
    return value
