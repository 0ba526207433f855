-- Light curves with what is no clean detection: one row per diaSource, tagged as in sql/views/tagged_sources.sql, and one per
-- diaForcedSource at a visit where its object has no diaSource: an upper limit where its flux is within five sigma of zero, a significant
-- measurement (forced) where it is not, of either sign, and badforced where Rubin has withdrawn it or its flux and its uncertainty are no
-- numbers.
WITH
detections AS (
  SELECT *
  FROM tagged_sources
  {where}
),
-- At any time: the time that is asked for may hold a forced measurement and not the detection of the same visit.
detected_visits AS (
  SELECT diaObjectId, visit
  FROM sources
  {where_at_any_time}
),
tagged_fp AS (
  SELECT
    *,
    CASE
      -- Not a number is the largest of all.
      WHEN timeWithdrawnMjdTai IS NULL AND psfFluxErr > 0 AND psfFluxErr < 'Infinity' AND abs(psfFlux) < 'Infinity'
      THEN CASE WHEN abs(psfFlux) < 5 * psfFluxErr THEN 'upperlim' ELSE 'forced' END
      ELSE 'badforced'
    END AS tag
  FROM fp
  {where}
),
-- The left side of a join is held in memory: that is to be the one of two columns.
undetected AS (
  SELECT tagged_fp.*, CASE WHEN tag = 'upperlim' THEN 5 * psfFluxErr END AS fluxLimit
  FROM detected_visits
  RIGHT ANTI JOIN tagged_fp ON detected_visits.diaObjectId = tagged_fp.diaObjectId AND detected_visits.visit = tagged_fp.visit
)
SELECT * FROM detections
UNION ALL BY NAME
SELECT * FROM undetected
