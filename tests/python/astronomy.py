"""Compares the SQL functions with astropy and astropy_healpix.

Reads a Parquet file of arguments with the functions' results beside them; fails where one differs by more than its
bound. Prints the number of rows and the largest differences as one JSON object.
Usage: astronomy.py FILE
"""
import json
import sys
import warnings

import numpy as np
import pyarrow.parquet as pq
from astropy import units as u
from astropy.coordinates import angular_separation
from astropy.time import Time
from astropy.utils import iers
from astropy_healpix import lonlat_to_healpix

iers.conf.auto_download = False


def magnitudes(rows):
    """ab_mag and ab_mag_err: masked where the flux is not positive, NaN where it is."""
    flux, error = rows["flux_njy"], rows["flux_err_njy"]
    none = np.ma.getmaskarray(flux) | (np.ma.getdata(flux) <= 0)
    positive = np.where(none, 1.0, np.ma.getdata(flux))
    mag = (positive * u.nJy).to_value(u.ABmag)
    mag_err = 2.5 / np.log(10) * np.ma.getdata(error) / positive
    return {
        "ab_mag": largest_difference(rows["ab_mag"], np.ma.array(mag, mask=none), 1e-12),
        "ab_mag_err": largest_difference(rows["ab_mag_err"], np.ma.array(mag_err, mask=none), 1e-12),
    }


def dates(rows):
    """Texts exactly; the observing day from the text in UTC."""
    tai = Time(rows["mjd_tai"], format="mjd", scale="tai")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ERFA function .*dubious year")  # leap seconds after 2027 are not known yet
        tai, utc = tai.isot, tai.utc.isot
    equal(rows["iso_tai"], tai, rows["mjd_tai"])
    equal(rows["iso_utc"], utc, rows["mjd_tai"])
    assert any(":60." in text for text in utc), "no leap second among the times"
    date = np.array([text[:10] for text in utc], "datetime64[D]")
    before_noon = np.array([text[11:13] < "12" for text in utc])
    nights = np.where(before_noon, date - 1, date).astype("datetime64[D]")
    equal(rows["day_obs"], [int(str(night).replace("-", "")) for night in nights], rows["mjd_tai"])


def places(rows):
    """Separations to some units in the last place of 180 degrees, cells exactly."""
    ra1, dec1, ra2, dec2 = (rows[name] for name in ["ra1_deg", "dec1_deg", "ra2_deg", "dec2_deg"])
    separation = np.degrees(angular_separation(*map(np.radians, [ra1, dec1, ra2, dec2])))
    cells = lonlat_to_healpix(ra1 * u.deg, dec1 * u.deg, 2 ** rows["healpix_order"].astype(int), order="nested")
    equal(rows["healpix_index"], cells, list(zip(rows["healpix_order"], ra1, dec1)))
    return {"angular_separation_deg": largest_difference(rows["separation_deg"], separation, 1e-13)}


def largest_difference(got, want, bound):
    """Of two arrays with the same masks and NaNs."""
    assert (np.ma.getmaskarray(got) == np.ma.getmaskarray(want)).all()
    got, want = np.ma.compressed(got), np.ma.compressed(want)
    assert (np.isnan(got) == np.isnan(want)).all()
    difference = np.nanmax(np.abs(got - want))
    assert difference <= bound, difference
    return float(difference)


def equal(got, want, arguments):
    for g, w, argument in zip(got, want, arguments, strict=True):
        assert g == w, f"{g}, not {w}, of {argument!r}"


def column(values):
    """An array, masked where null."""
    if values.null_count == 0:
        return values.to_numpy(zero_copy_only=False)
    return np.ma.array(values.fill_null(0).to_numpy(), mask=values.is_null().to_numpy(zero_copy_only=False))


def main():
    table = pq.read_table(sys.argv[1])
    rows = {name: column(table[name].combine_chunks()) for name in table.column_names}
    differences = magnitudes(rows)
    dates(rows)
    differences |= places(rows)
    print(json.dumps({"rows": table.num_rows, "largest_differences": differences}))


main()
