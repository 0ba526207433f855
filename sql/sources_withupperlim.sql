-- Light curves with upper limits: one row per diaSource, tagged as in sql/views/tagged_sources.sql, and one row per diaForcedSource at a
-- visit where its object has no diaSource. The tag of a diaForcedSource is
--   upperlim   if its flux is within five sigma of zero;
--   forced     if its flux is significant, of either sign;
--   badforced  if Rubin has withdrawn it, or its flux or uncertainty is not a finite number.
WITH
detections AS (
  SELECT *
  FROM tagged_sources
  {where}
),
-- All visits with a detection, whatever time is requested: a detection and a forced measurement of one visit may differ in time.
detected_visits AS (
  SELECT diaObjectId, visit
  FROM sources
  {where_at_any_time}
),
tagged_fp AS (
  SELECT
    *,
    CASE
      -- NaN compares as greater than every number, so it fails these tests.
      WHEN timeWithdrawnMjdTai IS NULL AND psfFluxErr > 0 AND psfFluxErr < 'Infinity' AND abs(psfFlux) < 'Infinity'
      THEN CASE WHEN abs(psfFlux) < 5 * psfFluxErr THEN 'upperlim' ELSE 'forced' END
      ELSE 'badforced'
    END AS tag
  FROM fp
  {where}
),
-- DataFusion holds the left side of a join in memory, so the left side is the one with only two columns.
undetected AS (
  SELECT tagged_fp.*, CASE WHEN tag = 'upperlim' THEN 5 * psfFluxErr END AS fluxLimit
  FROM detected_visits
  RIGHT ANTI JOIN tagged_fp ON detected_visits.diaObjectId = tagged_fp.diaObjectId AND detected_visits.visit = tagged_fp.visit
)
SELECT * FROM detections
UNION ALL BY NAME
SELECT * FROM undetected
