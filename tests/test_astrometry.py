# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Moving stars and choosing among them."""

from dataclasses import fields

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from stellarclass import flags
from stellarclass.archives._candidates import COLUMNS, candidate_table
from stellarclass.astrometry import MAS, match, propagate
from stellarclass.targets import NO_ID, Targets

BARNARD = {"ra": 269.44850252543836, "dec": 4.739420051112412, "pmra": -801.551, "pmdec": 10362.394}
RADIUS = 3 * u.arcsec
ARCSEC = 1 / 3600
NAN = np.nan

longitudes = st.floats(0, 360, exclude_max=True)
latitudes = st.floats(-90, 90)
motions = st.floats(-10_000, 10_000)
epochs = st.floats(1990, 2040)


def separation(ra, dec, other_ra, other_dec):
    """In arcsec, by astropy."""
    return SkyCoord(ra, dec, unit="deg").separation(SkyCoord(other_ra, other_dec, unit="deg")).arcsec


def candidates(*rows):
    """Candidates as a source hands them over; what a row leaves out is missing."""
    rows = [{"target": 0, "source_id": k + 1, "ref_epoch": 2016.0, **row} for k, row in enumerate(rows)]
    return candidate_table([r["target"] for r in rows], {c: [r.get(c, NAN) for r in rows] for c in COLUMNS})


def targets(n=1, ra=10.0, dec=20.0, **columns):
    columns = {name: np.broadcast_to(value, (n, *np.shape(value)[1:])).copy() for name, value in columns.items()}
    return Targets(ra=np.full(n, ra), dec=np.full(n, dec), **columns)


def ugriz(**bands):
    return np.array([[bands.get(b, NAN) for b in "ugriz"]])


# --- propagate


@settings(max_examples=50)
@given(longitudes, latitudes, motions, motions, epochs, epochs)
def test_propagate_agrees_with_astropy(ra, dec, pmra, pmdec, start, end):
    star = SkyCoord(
        ra=ra * u.deg,
        dec=dec * u.deg,
        pm_ra_cosdec=pmra * u.mas / u.yr,
        pm_dec=pmdec * u.mas / u.yr,
        distance=1 * u.pc,  # without one astropy assumes 10 Mpc, and warns of speeds beyond that of light
        radial_velocity=0 * u.km / u.s,
        obstime=Time(start, format="jyear", scale="tdb"),
    ).apply_space_motion(new_obstime=Time(end, format="jyear", scale="tdb"))
    assert separation(*propagate(ra, dec, pmra, pmdec, start, end), star.ra.deg, star.dec.deg) < 1e-6


def carried(ra, dec, pmra, pmdec, years, new_ra, new_dec):
    """The same proper motion at the place where it leads: turned along the great circle, seen from the axes there."""

    def axes(ra, dec):
        a, d = np.radians(ra), np.radians(dec)
        out = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
        east = np.array([-np.sin(a), np.cos(a), 0.0])
        return out, east, np.cross(out, east)

    r, p, q = axes(ra, dec)
    motion = p * pmra + q * pmdec
    angle = np.arctan(np.hypot(pmra, pmdec) * years * MAS)
    motion = motion * np.cos(angle) - r * np.hypot(pmra, pmdec) * np.sin(angle)
    _, p, q = axes(new_ra, new_dec)
    return p @ motion, q @ motion


@given(longitudes, latitudes, motions, motions, st.floats(-50, 50))
def test_there_and_back_is_where_it_was(ra, dec, pmra, pmdec, years):
    there = propagate(ra, dec, pmra, pmdec, 2016.0, 2016.0 + years)
    back = propagate(*there, *carried(ra, dec, pmra, pmdec, years, *there), 2016.0 + years, 2016.0)
    assert separation(*back, ra, dec) < 1e-8
    assert 0 <= back[0] < 360


def test_propagate_crosses_the_pole():
    # 1" short of the pole, 2" northwards: 1" beyond it, on the other side.
    ra, dec = propagate(30.0, 90 - ARCSEC, 0.0, 200.0, 2000.0, 2010.0)
    assert ra == pytest.approx(210.0)
    assert dec == pytest.approx(90 - ARCSEC, abs=1e-12)


def test_propagate_from_the_pole_itself():
    # East of right ascension 0 is right ascension 90.
    ra, dec = propagate(0.0, 90.0, 100.0, 0.0, 2000.0, 2010.0)
    assert (ra, dec) == (pytest.approx(90.0), pytest.approx(90 - ARCSEC, abs=1e-12))


def test_propagate_wraps_right_ascension():
    ra, _ = propagate([0.0, 359.9999], 0.0, [-1000.0, 1000.0], 0.0, 2000.0, 2010.0)
    assert ra == pytest.approx([360 - 10 * ARCSEC, 359.9999 + 10 * ARCSEC - 360])


@pytest.mark.parametrize(
    ("pmra", "pmdec", "start", "end"),
    [(NAN, NAN, 2000, 2016), (5, NAN, 2000, 2016), (NAN, 5, 2000, 2016), (5, 5, NAN, 2016), (5, 5, 2000, NAN)],
)
def test_propagate_leaves_alone_what_it_cannot_move(pmra, pmdec, start, end):
    assert propagate(359.123456789, -12.987654321, pmra, pmdec, start, end) == (359.123456789, -12.987654321)


def test_propagate_keeps_shapes_and_input():
    dec = np.array([[1.0], [2.0]])
    ra, moved = propagate(10.0, dec, 0.0, 1000.0, 2000.0, [2001.0, 2002.0, 2003.0])
    assert ra.shape == moved.shape == (2, 3)
    assert dec.tolist() == [[1.0], [2.0]]
    assert np.ndim(propagate(10.0, 1.0, 0.0, 1000.0, 2000.0, 2001.0)[1]) == 0


# --- match: which epoch


def test_barnards_star_at_the_frames_epoch():
    seen = propagate(*BARNARD.values(), 2016.0, 2002.0)
    found = match(targets(1, *seen), candidates({**BARNARD, "parallax": 546.98}), 2002.0, radius=RADIUS)
    assert separation(*seen, BARNARD["ra"], BARNARD["dec"]) == pytest.approx(145.5, abs=0.1)
    assert found.source_id[0] == 1
    assert found.match_separation[0] < 1e-6
    assert (found.ra[0], found.dec[0]) == pytest.approx(seen, abs=1e-12)
    assert found.flags[0] == 0


def test_target_with_its_own_epoch_is_compared_there():
    """A Gaia position handed in with its epoch, beside a frame of 2002."""
    target = targets(1, BARNARD["ra"], BARNARD["dec"], ref_epoch=2016.0)
    found = match(target, candidates(BARNARD), 2002.0, radius=RADIUS)
    assert found.source_id[0] == 1
    assert found.match_separation[0] == 0
    assert (found.ra[0], found.dec[0]) == pytest.approx(propagate(*BARNARD.values(), 2016.0, 2002.0))


def test_target_with_its_own_motion_is_moved_to_the_frame():
    ra, dec = propagate(*BARNARD.values(), 2016.0, 2000.0)
    # Its motion is 0.1"/yr off; at the frame's epoch, 2 years on, that is 0.2".
    target = targets(1, ra, dec, ref_epoch=2000.0, pmra=BARNARD["pmra"], pmdec=BARNARD["pmdec"] - 100)
    found = match(target, candidates(BARNARD), 2002.0, radius=RADIUS)
    assert found.match_separation[0] == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize("own", [{}, {"pmra": 0.0, "pmdec": NAN}])
def test_without_a_frame_the_candidates_epoch_counts(own):
    found = match(targets(1, BARNARD["ra"], BARNARD["dec"], **own), candidates(BARNARD), NAN, radius=RADIUS)
    assert found.match_separation[0] == 0
    assert (found.ra[0], found.dec[0]) == (BARNARD["ra"], BARNARD["dec"])


def test_each_target_has_its_own_frame():
    years = np.array([2000.0, 2005.0, NAN])
    ra, dec = propagate(*BARNARD.values(), 2016.0, [2000.0, 2005.0, 2016.0])
    found = match(
        Targets(ra=ra, dec=dec), candidates(*({"target": k, **BARNARD} for k in range(3))), years, radius=RADIUS
    )
    assert (found.match_separation < 1e-6).all()
    assert found.ra == pytest.approx(ra, abs=1e-12)


def test_source_without_motion_stays():
    found = match(targets(), candidates({"ra": 10.0, "dec": 20.0}), 1999.0, radius=RADIUS)
    assert found.source_id[0] == 1
    assert (found.ra[0], found.dec[0]) == (10.0, 20.0)


# --- match: which candidate


def test_radius_is_a_limit():
    near, far = {"ra": 10.0, "dec": 20 + 2.999 * ARCSEC}, {"ra": 10.0, "dec": 20 + 3.001 * ARCSEC}
    found = match(targets(2), candidates({"target": 0, **near}, {"target": 1, **far}), 2016.0, radius=RADIUS)
    assert found.source_id.tolist() == [1, NO_ID]
    assert found.match_separation[0] == pytest.approx(2.999, abs=1e-6)
    assert np.isnan([found.match_separation[1], found.ra[1], found.parallax[1]]).all()
    assert found.match_count.tolist() == [1, 0]
    assert found.flags.tolist() == [flags.TWO_PARAMETER_ASTROMETRY, flags.NO_ASTROMETRY]


def choose(bands, *stars):
    """Which of some stars, given as (offset in arcsec, G), a target at their origin is matched to."""
    rows = candidates(*({"ra": 10.0, "dec": 20 + s * ARCSEC, "phot_g_mean_mag": g} for s, g in stars))
    found = match(targets(), rows, 2016.0, radius=RADIUS, magnitudes=ugriz(**bands))
    assert found.match_count[0] == len(stars)
    assert found.flags[0] & flags.AMBIGUOUS_MATCH
    return found.source_id[0] - 1


def test_without_magnitudes_the_nearest():
    assert choose({}, (1.0, 15.0), (0.5, 20.0)) == 1


# A star of g - i = 0.6 has G = r + 0.02.
@pytest.mark.parametrize("bands", [{"g": 17.44, "r": 17.0, "i": 16.84}, {"r": 17.0}])
def test_magnitude_decides_between_neighbors(bands):
    assert choose(bands, (0.3, 20.0), (0.6, 17.0)) == 1
    assert choose(bands, (0.3, 17.0), (0.6, 20.0)) == 0


def test_color_sharpens_the_magnitude():
    """An M dwarf of r = 20 has G = 19.4; r alone prefers the neighbor, and so does a color that is not whole."""
    m_dwarf = {"g": 21.4, "r": 20.0, "i": 18.4}
    assert choose(m_dwarf, (0.30, 20.0), (0.35, 19.37)) == 1
    assert choose({"r": 20.0}, (0.30, 20.0), (0.35, 19.37)) == 0
    assert choose({"r": 20.0, "i": 18.4}, (0.30, 20.0), (0.35, 19.37)) == 0
    assert choose({"g": 21.4, "i": 18.4}, (0.30, 20.0), (0.35, 19.37)) == 0


@pytest.mark.parametrize(("g_i", "g_mag"), [(-0.3, 16.92), (1.5, 17.02), (3.0, 16.37), (9.0, 15.85)])
def test_magnitudes_are_predicted_as_physics_has_them(g_i, g_mag):
    """Of two neighbors 0.2 mag apart the one that the color calls for; colors beyond the table are held at its end."""
    bands = {"g": 17.0 + g_i, "r": 17.0, "i": 17.0}
    for other in (g_mag - 0.2, g_mag + 0.2):
        assert choose(bands, (0.5, other), (0.5, g_mag)) == 1


def test_a_wrong_magnitude_does_not_overrule_two_arcsec():
    """A saturated star seems fainter than it is, and so like its faint neighbor."""
    assert choose({"r": 15.0}, (0.05, 11.0), (2.0, 15.0)) == 0


def test_unknown_g_is_no_reason_against_the_nearest():
    assert choose({"r": 15.0}, (0.1, NAN), (1.0, 15.0)) == 0
    assert choose({"r": 15.0}, (0.1, NAN), (0.12, 15.0)) == 1


def test_ties_go_to_the_brighter_then_the_smaller_identifier():
    assert choose({}, (0.5, 18.0), (0.5, 17.0), (0.5, NAN)) == 1
    assert choose({}, (0.5, 17.0), (0.5, 17.0)) == 0


def test_magnitudes_come_from_the_targets():
    rows = candidates(*({"ra": 10.0, "dec": 20 + s * ARCSEC, "phot_g_mean_mag": g} for s, g in [(0.3, 20), (0.6, 17)]))
    assert match(targets(psfmag=ugriz(r=17.0)), rows, 2016.0, radius=RADIUS).source_id[0] == 2


def test_identifier_decides():
    rows = candidates(*({"ra": 10.0, "dec": 20 + s * ARCSEC} for s in (0.1, 1.0, 50.0)))
    for wanted, count in ((2, 2), (3, 3)):  # the last one beyond the radius
        found = match(targets(source_id=np.array([wanted])), rows, 2016.0, radius=RADIUS)
        assert found.source_id[0] == wanted
        assert found.match_count[0] == count
        assert not found.flags[0] & flags.AMBIGUOUS_MATCH
    unknown = match(targets(source_id=np.array([99])), rows, 2016.0, radius=RADIUS)
    assert unknown.source_id[0] == 1
    assert unknown.flags[0] & flags.AMBIGUOUS_MATCH


# --- match: what comes with it

FULL = {
    "ra": 10.0, "dec": 20.0, "parallax": 2.0, "parallax_error": 0.25, "pmra": 3.0, "pmra_error": 0.5, "pmdec": -4.0,
    "pmdec_error": 0.125, "ruwe": 1.0, "phot_g_mean_mag": 17.0, "bp_rp": 0.75,
}  # fmt: skip


def test_every_column_arrives():
    found = match(targets(), candidates(FULL), 2016.0, radius=RADIUS)
    for name in ("parallax", "parallax_error", "pmra", "pmra_error", "pmdec", "pmdec_error", "ruwe", "bp_rp"):
        assert getattr(found, name).tolist() == [FULL[name]]
        assert getattr(found, name).dtype == np.float64
    assert found.g_mag.tolist() == [17.0]
    assert found.flags.tolist() == [0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ruwe": 1.4}, flags.BAD_ASTROMETRY),
        ({"ruwe": 1.39}, 0),
        ({"ruwe": NAN}, 0),
        ({"parallax": NAN, "pmra": NAN, "pmdec": NAN}, flags.TWO_PARAMETER_ASTROMETRY),
        ({"bp_rp": NAN}, 0),
    ],
)
def test_flags_of_the_source(changes, expected):
    found = match(targets(), candidates({**FULL, **changes}), 2016.0, radius=RADIUS)
    assert found.flags.tolist() == [expected]
    assert found.source_id.tolist() == [1]


def test_masked_is_missing_whatever_lies_under_the_mask():
    rows = candidates(FULL)
    for name in ("parallax", "pmra", "pmdec", "ruwe"):
        rows[name] = MaskedColumn([5000.0], mask=True)
    found = match(targets(), rows, 2000.0, radius=RADIUS)
    assert np.isnan([found.parallax[0], found.pmra[0], found.pmdec[0], found.ruwe[0]]).all()
    assert found.flags[0] == flags.TWO_PARAMETER_ASTROMETRY
    assert (found.ra[0], found.dec[0]) == (10.0, 20.0)


def test_targets_that_failed_get_no_match():
    states = np.array([0, flags.NO_IMAGE, flags.ASTROMETRY_FAILURE, flags.BAD_COORDINATE, flags.MISSING_BAND])
    some = targets(5, flags=states)
    some.ra[3] = NAN
    rows = candidates(*({**FULL, "target": k} for k in (0, 1, 3)))
    found = match(some, rows, 2016.0, radius=RADIUS)
    assert found.source_id.tolist() == [1, NO_ID, NO_ID, NO_ID, NO_ID]
    # Nobody looked for the star that failed, and nobody answered for the one whose archive failed.
    assert found.flags.tolist() == [0, 0, 0, 0, flags.NO_ASTROMETRY]


@pytest.mark.parametrize("n", [0, 3])
def test_no_candidates(n):
    found = match(targets(n), candidates(), 2016.0, radius=RADIUS)
    assert len(found) == n
    assert (found.source_id == NO_ID).all()
    assert (found.flags == flags.NO_ASTROMETRY).all()
    assert found.source_id.dtype == found.match_count.dtype == found.flags.dtype == np.int64


def test_what_cannot_be_understood():
    with pytest.raises(TypeError, match=r"3 \* u.arcsec"):
        match(targets(), candidates(), 2016.0, radius=3)
    with pytest.raises(u.UnitsError):
        match(targets(), candidates(), 2016.0, radius=3 * u.mag)
    with pytest.raises(ValueError, match="positive"):
        match(targets(), candidates(), 2016.0, radius=0 * u.arcsec)
    with pytest.raises(ValueError, match=r"\(1, 5\)"):
        match(targets(), candidates(), 2016.0, radius=RADIUS, magnitudes=np.ones(5))
    with pytest.raises(ValueError, match="outside the 1 targets"):
        match(targets(), candidates({"target": 1, **FULL}), 2016.0, radius=RADIUS)


@st.composite
def crowds(draw):
    """A few targets at one place, and stars around it, many of them alike."""
    n = draw(st.integers(1, 4))
    star = st.fixed_dictionaries(
        {
            "target": st.integers(0, n - 1),
            "ra": st.sampled_from([10.0, 10 + ARCSEC]),
            "dec": st.sampled_from([20.0, 20 + ARCSEC, 20 + 5 * ARCSEC]),
            "pmra": st.sampled_from([NAN, 0.0, 100.0]),
            "pmdec": st.sampled_from([NAN, 0.0, -100.0]),
            "phot_g_mean_mag": st.sampled_from([NAN, 17.0, 18.0]),
        }
    )
    stars = draw(st.lists(star, max_size=12))
    for k, row in enumerate(stars):
        row["source_id"] = 100 + k
    magnitudes = draw(st.lists(st.sampled_from([17.0, NAN]), min_size=n, max_size=n))
    years = draw(st.lists(st.sampled_from([2000.0, 2010.0, NAN]), min_size=n, max_size=n))
    some = targets(n, psfmag=np.concatenate([ugriz(r=m) for m in magnitudes]))
    return some, stars, np.array(years), draw(st.permutations(range(len(stars))))


def assert_same(one, other):
    for f in fields(one):
        np.testing.assert_array_equal(getattr(one, f.name), getattr(other, f.name), err_msg=f.name)


@settings(max_examples=30)
@given(crowds())
def test_order_of_rows_does_not_matter(crowd):
    some, stars, years, order = crowd
    rows = candidates(*stars)
    assert_same(match(some, rows, years, radius=RADIUS), match(some, rows[list(order)], years, radius=RADIUS))


@settings(max_examples=30)
@given(crowds())
def test_neighbors_in_the_batch_do_not_matter(crowd):
    some, stars, years, _ = crowd
    together = match(some, candidates(*stars), years, radius=RADIUS)
    for k in range(len(some)):
        own = candidates(*({**row, "target": 0} for row in stars if row["target"] == k))
        alone = match(targets(psfmag=some.psfmag[k : k + 1]), own, years[k], radius=RADIUS)
        assert_same(together[k : k + 1], alone)
