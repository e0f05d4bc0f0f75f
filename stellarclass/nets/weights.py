# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Ensembles on disk: one folder each, with ``card.json``, ``CARD.md`` and one safetensors file per member.

Nothing here unpickles, executes or downloads anything. A folder is taken only as a whole: a member that is missing,
truncated, of another network or not the one on the card is an error, never replaced by random weights.
"""

import hashlib
import importlib
import json
import os
import re
import string
from dataclasses import replace
from pathlib import Path

import astropy.units as u
from astropy.table import QTable

from .._config import conf
from ..exceptions import EnsembleError
from .card import Card, Member

__all__ = ["ARCHITECTURES", "Card", "list_ensembles", "load_ensemble", "save_ensemble", "write_card_md"]

ARCHITECTURES = {
    "aperture_mlp": "stellarclass.nets.aperture_mlp:ApertureMLP",
    "compact": "stellarclass.nets.compact:CompactNet",
    "mmscnet": "stellarclass.nets.mmscnet:MMSCNet",
    "scnet": "stellarclass.nets.mmscnet:SCNet",
}
"""Networks that a card may name, and where they are."""

_SHIPPED = Path(__file__).resolve().parents[1] / "ensembles"
_MAX_WEIGHT_BYTES = 1_000_000_000  # the paper's network at full width has 197 MB
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def list_ensembles():
    """Ensembles that come with the package.

    Returns
    -------
    `~astropy.table.QTable`
        Columns ``name``, ``version``, ``architecture``, ``members``, ``classes``, ``label_systems``, ``size``
        (of all weights), ``sha256`` and ``description``; one row per ensemble, by name.

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If the model card of one of them is damaged.

    Examples
    --------
    >>> from stellarclass import list_ensembles
    >>> list_ensembles().colnames
    ['name', 'version', 'architecture', 'members', 'classes', 'label_systems', 'size', 'sha256', 'description']
    """
    rows = []
    for name in _shipped_names():
        folder = _SHIPPED / name
        card = Card.read(folder / "card.json")
        size = sum((folder / m.file).stat().st_size for m in card.members if (folder / m.file).is_file())
        classes, systems = ",".join(card.classes), ",".join(card.label_systems)
        what = (name, card.version, card.architecture, len(card.members), classes, systems)
        rows.append((*what, size / 1e6, card.sha256, card.description))
    names = ("name", "version", "architecture", "members", "classes", "label_systems", "size", "sha256", "description")
    dtypes = (str, str, str, int, str, str, float, str, str)
    table = QTable(rows=rows or None, names=names, dtype=None if rows else dtypes)
    table["size"] = u.Quantity(table["size"], u.Mbyte)
    return table


def load_ensemble(name_or_path=None, *, device=None):
    """Load an ensemble that comes with the package, or one from a folder.

    Parameters
    ----------
    name_or_path : str or path-like, optional
        A bare name (letters, digits, ``_``, ``-``) is looked up among `list_ensembles` and nowhere else. Anything else
        is a folder; write ``./name`` for one in the working directory. ``conf.ensemble`` if not given.
    device : str or torch.device, optional
        Where it will compute; by default a CUDA device if there is one, else the CPU.

    Returns
    -------
    stellarclass.nets.ensemble.Ensemble

    Raises
    ------
    stellarclass.exceptions.EnsembleError
        If there is no such ensemble, or any part of it is missing, damaged or not understood.
    """
    import torch

    from .ensemble import Ensemble

    folder = _folder(conf.ensemble if name_or_path is None else name_or_path)
    card = Card.read(folder / "card.json")
    expected = {name: tuple(value.shape) for name, value in _build(card, torch.device("meta")).state_dict().items()}
    members = []
    for entry in card.members:
        state = _read_weights(folder, entry, expected)
        with torch.random.fork_rng(devices=[]):  # building draws random weights: leave the user's generator alone
            member = _build(card, torch.device("cpu"))
        member.load_state_dict(state, strict=True)
        members.append(member)
    return Ensemble(members, card, device=device)


def save_ensemble(ensemble, folder, *, half=False):
    """Write an ensemble to a folder: one safetensors file per member, ``card.json`` and ``CARD.md``.

    Parameters
    ----------
    ensemble : stellarclass.nets.ensemble.Ensemble
        What to write.
    folder : path-like
        Created if it is not there. Files of the same names are replaced, the card last.
    half : bool
        Store weight matrices and kernels as float16, which halves the size and rounds them to three digits. Offsets,
        normalizations and other vectors stay as they are. Networks always compute in float32.

    Returns
    -------
    stellarclass.nets.card.Card
        The card as written, with the digests of the files.
    """
    import safetensors.torch
    import torch

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for member, entry in zip(ensemble.members, ensemble.card.members, strict=True):
        state = {}
        for name, value in member.state_dict().items():
            value = value.detach().cpu()
            if half and value.is_floating_point() and value.ndim >= 2:
                value = value.to(torch.float16)
            if not torch.isfinite(value).all():
                raise EnsembleError(f"{name} of member {entry.name!r} is not finite; it is not written")
            state[name] = value.clone(memory_format=torch.contiguous_format)
        raw = safetensors.torch.save(state)
        file = f"{entry.name.lower()}.safetensors"
        _replace(folder / file, raw)
        entries.append(Member(entry.name, file, hashlib.sha256(raw).hexdigest()))
    card = replace(ensemble.card, members=tuple(entries))
    _replace(folder / "CARD.md", write_card_md(card).encode())
    _replace(folder / "card.json", (json.dumps(card.to_dict(), indent=1, allow_nan=False) + "\n").encode())
    return card


_MARKDOWN = string.Template("""\
# $name $version

$description

| | |
|---|---|
| architecture | `$architecture` with $kwargs |
| input recipe | $recipe |
| classes | $classes |
| radius | in $space |
| combination | $combination |
| class sets | hold the true class for $class_level of stars |
| radius intervals | hold the true radius for $radius_level of stars |
| training domain | $domain |
| license | $license |

## Label systems

$systems

## Members

$members

Digest of the ensemble: `$sha256`

## Training

$training

## Citation

$citation
""")


def write_card_md(card):
    """The model card for people: what ``CARD.md`` beside the weights says.

    Parameters
    ----------
    card : stellarclass.nets.card.Card
        The card.

    Returns
    -------
    str
        Markdown.
    """
    domain = card.domain
    systems = [
        f"- `{name}`{' (default)' if name == card.default_label_system else ''}: {entry.get('description', '')}"
        for name, entry in card.label_systems.items()
    ]
    members = ["| name | file | sha256 |", "|---|---|---|"]
    members += [f"| {m.name} | {m.file or '-'} | {m.sha256 or '-'} |" for m in card.members]
    training = [
        f"- {key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in card.training.items()
    ]
    return _MARKDOWN.substitute(
        name=card.name,
        version=card.version,
        description=card.description,
        architecture=card.architecture,
        kwargs=_listing(card.architecture_kwargs),
        recipe=_listing(card.recipe),
        classes=", ".join(card.classes),
        space={"linear": "solar radii", "log10": "the decimal logarithm of solar radii"}[card.radius_space],
        combination=_listing(card.combination),
        class_level=f"{card.levels['class_set']:.0%}",
        radius_level=f"{card.levels['radius_interval']:.0%}",
        domain=f"by Mahalanobis distance of `{domain['input']}`" if domain else "not described",
        license=card.license or "not stated",
        systems="\n".join(systems),
        members="\n".join(members),
        sha256=card.sha256 or "not saved yet",
        training="\n".join(training) or "Not described.",
        citation=card.citation or "None given.",
    )


def _listing(values):
    return ", ".join(f"`{key}={json.dumps(value)}`" for key, value in values.items()) or "defaults"


def _shipped_names():
    if not _SHIPPED.is_dir():
        return []
    return sorted(p.name for p in _SHIPPED.iterdir() if _NAME.fullmatch(p.name) and (p / "card.json").is_file())


def _folder(name_or_path):
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and _NAME.fullmatch(text):
        if text in _shipped_names():
            return _SHIPPED / text
        shipped = ", ".join(_shipped_names()) or "none"
        raise EnsembleError(
            f"no ensemble {text!r} comes with this installation; looked in {_SHIPPED}, which has {shipped}. For a "
            f"folder of your own give a path such as './{text}'"
        )
    folder = Path(text)
    if not (folder / "card.json").is_file():
        raise EnsembleError(f"no ensemble in {str(folder)!r}: it has no card.json")
    return folder


def _build(card, device):
    """The card's network, on the meta device without a byte of weights."""
    import torch

    if card.architecture not in ARCHITECTURES:
        raise EnsembleError(
            f"model card of {card.name!r}: unknown architecture {card.architecture!r}; this version knows "
            f"{', '.join(sorted(ARCHITECTURES))}"
        )
    module, name = ARCHITECTURES[card.architecture].split(":")
    network = getattr(importlib.import_module(module), name)
    try:
        with device:
            return network(**card.architecture_kwargs)
    except (TypeError, ValueError, ArithmeticError, RuntimeError, torch.OutOfMemoryError) as err:
        raise EnsembleError(
            f"model card of {card.name!r}: architecture {card.architecture!r} cannot be built with "
            f"{_listing(card.architecture_kwargs)[:500]}: {err}"
        ) from err


def _read_weights(folder, entry, expected):
    """One member's tensors, after every check that can be made."""
    import safetensors
    import safetensors.torch
    import torch

    path = folder / entry.file
    if not entry.file or not entry.sha256:
        raise EnsembleError(f"model card in {folder}: member {entry.name!r} has no weight file or no sha256")
    if not path.is_file():
        raise EnsembleError(f"the weights of member {entry.name!r} are missing: no file {path}")
    if path.stat().st_size > _MAX_WEIGHT_BYTES:
        raise EnsembleError(f"{path} has {path.stat().st_size} bytes, more than {_MAX_WEIGHT_BYTES}")
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != entry.sha256:
        raise EnsembleError(
            f"{path} is not the file on its card (sha256 {found[:12]}..., card {entry.sha256[:12]}...): "
            "damaged, truncated or changed; get it again"
        )
    try:
        state = safetensors.torch.load(raw)
    except safetensors.SafetensorError as err:
        raise EnsembleError(f"{path} is not a safetensors file: {err}") from err
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    if shapes != expected:
        wrong = sorted(k for k in shapes.keys() | expected.keys() if shapes.get(k) != expected.get(k))
        detail = "; ".join(f"{k}: {shapes.get(k)} instead of {expected.get(k)}" for k in wrong[:3])
        raise EnsembleError(f"{path} holds another network than its card says ({len(wrong)} tensors differ: {detail})")
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise EnsembleError(f"{path}: {name} is not finite")
    return state


def _replace(path, raw):
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(raw)
    os.replace(part, path)
