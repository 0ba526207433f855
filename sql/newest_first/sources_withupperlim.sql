-- The light curves of the asked objects with what is no clean detection, the newest measurement first: one row per diaSource, tagged as in
-- sql/views/tagged_sources.sql, and one per diaForcedSource at a visit where its object has no diaSource: an upper limit where its flux is
-- within five sigma of zero, a significant measurement (forced) where it is not, of either sign, and badforced where Rubin has withdrawn it
-- or its flux and its uncertainty are no numbers.
--
--   $ids        BIGINT[]  diaObjectId; null: any
--   $first_id   BIGINT    first diaObjectId, inclusive; null: no limit
--   $last_id    BIGINT    last diaObjectId, inclusive; null: no limit, and rows without one come last
--   $time_from  DOUBLE    first midpointMjdTai, MJD in TAI, inclusive; null: no limit
--   $time_to    DOUBLE    last midpointMjdTai, MJD in TAI, inclusive; null: no limit
WITH
detections AS (
  SELECT *
  FROM tagged_sources
  WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
    AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
    AND ($last_id IS NULL OR diaObjectId <= $last_id)
    AND ($time_from IS NULL OR midpointMjdTai >= $time_from)
    AND ($time_to IS NULL OR midpointMjdTai <= $time_to)
),
detected_visits AS (
  SELECT diaObjectId, visit
  FROM sources
  WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
    AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
    AND ($last_id IS NULL OR diaObjectId <= $last_id)
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
  WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
    AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
    AND ($last_id IS NULL OR diaObjectId <= $last_id)
    AND ($time_from IS NULL OR midpointMjdTai >= $time_from)
    AND ($time_to IS NULL OR midpointMjdTai <= $time_to)
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
ORDER BY midpointMjdTai DESC, diaObjectId, diaSourceId, diaForcedSourceId
