# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Proof that a survey is complete: every target of the plan has exactly one row, and nobody else has any.

It rests on what lies on disk alone: the targets of the plan and the parts of the output. Nothing that the run has noted
is believed, other than the checksums that the files must have.
"""

import re
from dataclasses import dataclass

import numpy as np

from .. import flags
from .. import schema as _schema
from ..exceptions import InputError
from . import part
from .layout import RESULTS, Layout, digest, read_json
from .plan import load_plan
from .targetfile import FIELD

__all__ = ["Verification", "verify_survey"]

_LISTED = 10


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes
    ----------
    targets : int
        Rows of the plan.
    rows : int
        Rows of the output that answer for one of them.
    flagged : int
        Rows without an answer; their flags say why.
    faults : list of str
        Everything that is wrong, in words; empty if all is well.
    checked : list of str
        What was looked at.
    """

    targets: int
    rows: int
    flagged: int
    faults: list
    checked: list

    @property
    def good(self):
        """Whether nothing is wrong."""
        return not self.faults

    def text(self):
        """The same to read.

        Returns
        -------
        str
        """
        lines = [f"checked: {', '.join(self.checked)}"]
        if self.good:
            lines.append(
                f"all {self.targets} targets have exactly one row; {self.flagged} of them are flagged, without a class"
            )
        else:
            lines += [f"fault: {fault}" for fault in self.faults[:_LISTED]]
            if len(self.faults) > _LISTED:
                lines.append(f"and {len(self.faults) - _LISTED} more faults")
        return "\n".join(lines)


def verify_survey(folder, *, results=RESULTS):
    """Check that a survey's output is complete, without doubles, and undamaged.

    Parameters
    ----------
    folder : path-like
        The survey.
    results : str, optional
        Name of the folder of answers.

    Returns
    -------
    Verification

    Raises
    ------
    stellarclass.exceptions.InputError
        If there is no plan, or no answers.
    """
    layout = Layout(folder, results=results)
    plan, units = load_plan(layout.root)
    run = read_json(layout.run)
    if run is None:
        raise InputError(f"there are no answers in {layout.results}; stellarclass survey run makes them")
    faults = []
    if run.get("plan") != plan.units_sha256:
        faults.append(f"the answers in {layout.results} are those of another plan")
    seen = np.zeros(plan.targets, np.uint8)  # one byte a target: that is all that grows with the list
    planned = np.zeros(plan.targets, bool)
    kinds = part.schema(run["classes"])
    flagged = 0
    for unit, sha in zip(units["unit"].tolist(), units["sha256"], strict=True):
        flagged += _check_unit(layout, unit, str(sha), kinds, planned, seen, faults)
    if not planned.all():
        faults.append(f"the plan itself lacks {np.count_nonzero(~planned)} of its {plan.targets} targets")
    for count, what in ((np.count_nonzero(seen == 0), "no row"), (np.count_nonzero(seen > 1), "more than one row")):
        if count:
            first = int(np.flatnonzero(seen == 0 if what == "no row" else seen > 1)[0])
            faults.append(f"{count} targets have {what} (the first is {first})")
    _check_strangers(layout, len(units["unit"]), faults)
    checked = [f"{plan.units} parts against the plan"]
    from . import catalog

    checked += catalog.check(layout, seen, faults)
    return Verification(plan.targets, int(np.count_nonzero(seen == 1)), int(flagged), faults, checked)


def _check_unit(layout, unit, sha, kinds, planned, seen, faults):
    """Check one part against its targets; how many of its rows are flagged."""
    import pyarrow as pa
    from pyarrow import parquet

    path, targets = layout.part(unit), layout.targets(unit)
    try:
        if digest(targets) != sha:
            faults.append(f"{targets} is not the file that was planned")
            return 0
        wanted = parquet.read_table(targets)
        numbers = wanted[part.NUMBER].to_numpy()
        planned[numbers] = True
        manifest = part.read_manifest(layout, unit)
        if manifest is None:
            faults.append(f"{path} has no manifest" if path.is_file() else f"{path} is not there")
            return 0
        if manifest["targets_sha256"] != sha:
            faults.append(f"{path} answers for other targets than those planned")
        if digest(path) != manifest["sha256"]:
            faults.append(f"{path} does not have the checksum of its manifest")
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as err:
        faults.append(f"{path} cannot be read: {err}")
        return 0
    if not table.schema.equals(kinds, check_metadata=True):
        faults.append(f"{path} does not have the columns of the output")
        return 0
    found = table[part.NUMBER].to_numpy()
    strangers = ~np.isin(found, numbers)
    if strangers.any():
        faults.append(f"{path} has {np.count_nonzero(strangers)} rows that are none of its targets")
    np.add.at(seen, found[~strangers], np.uint8(1))
    _check_values(path, table, wanted, found, numbers, faults)
    return np.count_nonzero(table["flags"].to_numpy() & flags.FATAL)


def _check_values(path, table, wanted, found, numbers, faults):
    """Rows must be of the stars that their numbers name, and be answered or say why not."""
    if len(found) == len(numbers) and (found == numbers).all():
        for name in ("ra", "dec"):
            ours, theirs = table[name].to_numpy(zero_copy_only=False), wanted[name].to_numpy()
            if not np.array_equal(ours.astype(float), theirs, equal_nan=True):
                faults.append(f"{path} has other positions than the plan")
        for name in FIELD:
            ours, theirs = table[name].fill_null(-1).to_numpy(), wanted[name].to_numpy()
            if ((ours != theirs) & (theirs >= 0)).any():
                faults.append(f"{path} has other fields than the plan")
                break
    fatal = (table["flags"].to_numpy() & flags.FATAL) != 0
    silent = np.asarray(table["spectral_class"].is_null()) & ~fatal
    if silent.any():
        faults.append(f"{path} has {np.count_nonzero(silent)} rows with neither a class nor a flag that says why")
    known = sum(bit.value for bit in flags.FLAGS)
    if (table["flags"].to_numpy() & ~known).any():
        faults.append(f"{path} has flags that {_schema.__name__} does not know")


def _check_strangers(layout, units, faults):
    """Files among the parts that are none of the plan's: readers of the folder would take them in."""
    for path in sorted((layout.results / "parts").rglob("*")):
        match = re.fullmatch(r"part-(\d{7})\.parquet", path.name)
        if path.name.startswith("."):  # unfinished; readers of the folder pass it over as well
            continue
        if path.is_file() and not (match and int(match[1]) < units and path == layout.part(int(match[1]))):
            faults.append(f"{path} is no part of the plan")
