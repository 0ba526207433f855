-- v:dateUtc, of a table with midpointMjdTai, MJD in TAI: the same time in UTC as ISO 8601 text.
mjd_to_iso_utc(midpointMjdTai)
