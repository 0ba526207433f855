-- Every detection, tagged valid or badquality: one row per diaSource. A source is valid if it passes the flag cuts of Fink's good
-- quality as of 2026-05-19 (fink-filters, rubin/blocks.py, b_good_quality) and Rubin has not withdrawn it. Fink's cuts on the sign and
-- the signal-to-noise ratio of the flux are left out: they select candidates and do not describe the quality of a measurement.
-- A null flag counts as not set.
--
--   all columns of sources, and
--   tag  TEXT  valid: passes every cut; badquality: does not
SELECT
  *,
  CASE
    WHEN isDipole
      OR shape_flag
      OR forced_PsfFlux_flag
      OR forced_PsfFlux_flag_edge
      OR psfFlux_flag
      OR apFlux_flag
      OR centroid_flag
      OR pixelFlags
      OR pixelFlags_bad
      OR pixelFlags_cr
      OR pixelFlags_edge
      OR pixelFlags_interpolated
      OR pixelFlags_nodata
      OR pixelFlags_saturated
      OR pixelFlags_streak
      OR pixelFlags_streakCenter
      OR timeWithdrawnMjdTai IS NOT NULL
    THEN 'badquality'
    ELSE 'valid'
  END AS tag
FROM sources
