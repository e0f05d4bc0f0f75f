# Licensed under a 3-clause BSD style license - see LICENSE.rst
import shutil

import pytest

from stellarclass.exceptions import InputError
from stellarclass.survey import arrowfile, part, verify_survey
from stellarclass.survey.layout import Layout


@pytest.fixture
def copy(undisturbed, tmp_path):
    shutil.copytree(undisturbed.folder, tmp_path / "copy")
    return Layout(tmp_path / "copy")


def rewrite(layout, unit, change):
    """Change a part, and have its manifest vouch for it: what only the rows themselves betray."""
    from pyarrow import parquet

    manifest = part.read_manifest(layout, unit)
    known = {name: manifest[name] for name in ("targets_sha256", "failures")}
    part.write_part(layout, unit, change(parquet.read_table(layout.part(unit))), known)


def faults(layout):
    found = verify_survey(layout.root)
    assert not found.good and "fault:" in found.text()
    return "\n".join(found.faults)


def test_an_undamaged_survey_is_good(undisturbed):
    found = verify_survey(undisturbed.folder)
    assert found.good and (found.targets, found.rows, found.flagged) == (30, 30, 5)
    assert "all 30 targets have exactly one row" in found.text()


def test_a_lost_row_a_double_and_a_stranger_are_found(copy):
    import pyarrow as pa

    rewrite(copy, 0, lambda table: table.slice(1))
    assert "1 targets have no row" in faults(copy)
    rewrite(copy, 0, lambda table: pa.concat_tables([table, table.slice(0, 2)]))
    assert "2 targets have more than one row" in faults(copy)


def test_rows_of_another_unit_are_strangers(copy):
    shutil.copy(copy.part(1), copy.part(0))
    shutil.copy(copy.manifest(1), copy.manifest(0))
    found = faults(copy)
    assert "no manifest" in found and "10 targets have no row" in found
    shutil.copy(copy.part(1), copy.part(0))
    rewrite(copy, 1, lambda table: table)
    manifest = part.read_manifest(copy, 1)
    part.write_json(copy.manifest(0), manifest | {"unit": 0})
    assert "none of its targets" in faults(copy) and "other targets than those planned" in faults(copy)


def test_damage_is_found(copy):
    content = bytearray(copy.part(2).read_bytes())
    content[len(content) // 2] ^= 1
    copy.part(2).write_bytes(content)
    assert "checksum" in faults(copy)
    copy.part(2).unlink()
    assert "cannot be read" in faults(copy)


def test_changed_positions_columns_and_silent_stars_are_found(copy):
    import pyarrow as pa

    def shifted(table):
        place = table.column_names.index("ra")
        return table.set_column(place, table.schema.field("ra"), pa.compute.add(table["ra"], 1.0))

    import pyarrow.compute

    rewrite(copy, 0, shifted)
    assert "other positions" in faults(copy)
    rewrite(copy, 1, lambda table: table.drop_columns(["radius"]))
    assert "does not have the columns" in faults(copy)

    def silent(table):
        place = table.column_names.index("flags")
        return table.set_column(place, table.schema.field("flags"), pa.array([0] * table.num_rows))

    rewrite(copy, 2, silent)  # the unit with the field that has no frames
    assert "neither a class nor a flag" in faults(copy)


def test_files_that_are_no_parts_and_changed_plans_are_found(copy):
    shutil.copy(copy.part(1), copy.part(1).with_name("part-0000009.parquet"))
    assert "is no part of the plan" in faults(copy)
    targets = copy.targets(0)
    targets.write_bytes(targets.read_bytes() + b" ")
    assert "is not the file that was planned" in faults(copy)
    copy.units.write_bytes(b"other")
    with pytest.raises(InputError, match="plan anew"):
        verify_survey(copy.root)


def test_no_answers_is_an_error(planned):
    with pytest.raises(InputError, match="no answers"):
        verify_survey(planned)


def test_the_same_table_gives_the_same_bytes(undisturbed):
    from pyarrow import parquet

    path = Layout(undisturbed.folder).part(0)
    assert arrowfile.to_bytes(parquet.read_table(path)) == path.read_bytes()
