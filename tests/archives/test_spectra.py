# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectra from SDSS's archive, and what can go wrong with them, on loopback."""

import pytest
from astropy import units as u
from loopback.sas import SASServer
from skyspectra import spec_bytes, star

from stellarclass import conf
from stellarclass.archives import SDSSSpectra, SpectrumKey, SpectrumSource
from stellarclass.exceptions import ArchiveError, BadAnswerError, InputError, NotInArchiveError

LEGACY, SEGUE, BOSS = (618, 52049, 372), (2942, 54521, 124), (4961, 55719, 378)
PLACES = {
    LEGACY: "dr17/sdss/spectro/redux/26/spectra/lite/0618/spec-0618-52049-0372.fits",
    SEGUE: "dr17/sdss/spectro/redux/104/spectra/lite/2942/spec-2942-54521-0124.fits",
    BOSS: "dr17/eboss/spectro/redux/v5_13_2/spectra/lite/4961/spec-4961-55719-0378.fits",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("sas")
    for key, place in PLACES.items():
        (root / place).parent.mkdir(parents=True)
        (root / place).write_bytes(spec_bytes(key, star("G2")))
    return root


@pytest.fixture
def server(tree):
    with SASServer(tree) as server, server.configured():
        yield server


@pytest.fixture
def source(tmp_path):
    return SDSSSpectra(cache_dir=tmp_path, retries=0, timeout=5 * u.s)


def test_it_is_a_spectrum_source(source):
    assert isinstance(source, SpectrumSource)
    assert source.name == "SDSS DR17"


@pytest.mark.parametrize(
    ("release", "lite", "key", "end"),
    [
        (17, True, (266, 51602, 1, "26"), "dr17/sdss/spectro/redux/26/spectra/lite/0266/spec-0266-51602-0001.fits"),
        (17, False, (266, 51602, 1, "26"), "dr17/sdss/spectro/redux/26/spectra/0266/spec-0266-51602-0001.fits"),
        (17, False, (3586, 55181, 1), "dr17/sdss/spectro/redux/v5_13_2/spectra/full/3586/spec-3586-55181-0001.fits"),
        (17, True, (10000, 57346, 8), "redux/v5_13_2/spectra/lite/10000/spec-10000-57346-0008.fits"),
        (18, True, (3586, 55181, 1), "dr18/spectro/sdss/redux/v5_13_2/spectra/lite/3586/spec-3586-55181-0001.fits"),
        (9, True, (3586, 55181, 1), "dr9/sdss/spectro/redux/v5_4_45/spectra/lite/3586/spec-3586-55181-0001.fits"),
    ],
)
def test_addresses(release, lite, key, end):
    urls = SDSSSpectra(data_release=release, lite=lite).urls(key)
    assert urls[0].startswith(conf.sas_url) and urls[0].endswith(end)


def test_every_layout_is_found_and_kept(source, server, tmp_path):
    spectra = list(source.spectra(PLACES, progress=False))
    assert [s.meta["plate"] for s in spectra] == [618, 2942, 4961]
    assert [s.meta["source"].removeprefix(server.url + "/sas/") for s in spectra] == list(PLACES.values())
    asked = len(server.requests())
    again = source.spectrum(SEGUE)
    assert again.meta["plate"] == 2942
    assert len(server.requests()) == asked
    assert sorted(path.name for path in tmp_path.rglob("spec-*")) == sorted(
        p.rpartition("/")[2] for p in PLACES.values()
    )


def test_a_reduction_that_is_named_is_the_only_one_asked(source, server):
    source.spectrum((*LEGACY, "26"))
    with pytest.raises(NotInArchiveError, match="no spectrum 618-52049-373 in reduction 26"):
        source.spectrum(SpectrumKey(618, 52049, 373, "26"))
    assert len(server.requests()) == 2


def test_one_that_fails_is_an_item_not_an_exception(source, server):
    server.fail("0618", "truncated")
    first, second, third = source.spectra([LEGACY, (1, 2, 3), BOSS], progress=False)
    assert isinstance(first, ArchiveError) and "truncated" in str(first)
    assert isinstance(second, NotInArchiveError) and "do not name an SDSS spectrum" in str(second)
    assert third.meta["plate"] == 4961


@pytest.mark.parametrize("fault", ["html", "short", b"SIMPLE  = nonsense"])
def test_nothing_broken_is_kept(source, server, tmp_path, fault):
    server.fail("0618", fault, times=1)
    with pytest.raises(BadAnswerError):
        source.spectrum(LEGACY)
    assert not list(tmp_path.rglob("spec-*"))
    assert source.spectrum(LEGACY).meta["plate"] == 618


def test_another_spectrum_than_asked_for_is_refused(source, server):
    server.fail("0618", spec_bytes((618, 52049, 1), star("G2")))
    with pytest.raises(BadAnswerError, match="this is spectrum 618-52049-1"):
        source.spectrum(LEGACY)


@pytest.mark.parametrize(
    "key", [(0, 52049, 1), (618, 52049, 1001), (618, 1, 1), ("618", 52049, 1), (618.5, 52049, 1), (618,), 7,
            (618, 52049, 1, "../../etc"), (100_000, 52049, 1)]
)  # fmt: skip
def test_what_cannot_name_a_spectrum_is_not_asked_for(source, server, key):
    with pytest.raises(NotInArchiveError, match="name"):
        source.spectrum(key)
    assert server.requests() == []


@pytest.mark.parametrize(
    ("option", "error"),
    [({"data_release": 8}, InputError), ({"connections": 0}, InputError), ({"timeout": 3}, u.UnitsError)],
)
def test_options_are_checked(option, error):
    with pytest.raises(error):
        SDSSSpectra(**option)
