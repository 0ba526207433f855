-- The objects by their first detection, the newest first: one row per diaObject. Limit the number of rows (LIMIT 20).
--
--   diaObjectId            BIGINT
--   first_mjd_tai          DOUBLE   first detection, MJD in TAI: Rubin's, or Fink's where Rubin gives none
--   first_utc              TEXT     the same in UTC, ISO 8601
--   ra, dec                DOUBLE   position, deg (ICRS)
--   nDiaSources            INT      detections
--   is_cataloged           BOOLEAN  has a counterpart in SIMBAD or Gaia DR3
--   main_label_classifier  INT      CATS class of Fink
--   main_label_crossmatch  TEXT     SIMBAD object type
SELECT
  diaObjectId,
  first_mjd_tai,
  mjd_to_iso_utc(first_mjd_tai) AS first_utc,
  ra,
  dec,
  nDiaSources,
  is_cataloged,
  main_label_classifier,
  main_label_crossmatch
FROM (
  SELECT *, coalesce(firstDiaSourceMjdTai, firstDiaSourceMjdTaiFink) AS first_mjd_tai
  FROM objects
  -- Sorted here, so that with a LIMIT only the remaining rows are converted to text.
  ORDER BY first_mjd_tai DESC NULLS LAST, diaObjectId
)
