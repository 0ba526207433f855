-- Every detection with what it is worth: one row per diaSource. These are the quality cuts of a light curve: the flags of Fink's good
-- quality as of 2026-05-19 (fink-filters, rubin/blocks.py, b_good_quality), and a source that Rubin has not withdrawn since. Fink's cuts
-- on the sign of the flux and on its signal to noise are left out: they choose candidates, and say nothing of a measurement's quality.
-- A flag that is null is not set.
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
