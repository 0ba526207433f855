-- Every detection with what it is worth: one row per diaSource. These are the quality cuts of a light curve: Fink's good quality
-- (fink-filters, rubin/blocks.py, b_good_quality), and a source that Rubin has not withdrawn since. A flag that is null is not set.
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
      OR pixelFlags_bad
      OR pixelFlags_cr
      OR pixelFlags_interpolated
      OR timeWithdrawnMjdTai IS NOT NULL
    THEN 'badquality'
    ELSE 'valid'
  END AS tag
FROM sources
