-- The light curves of the asked objects with what is no clean detection, the newest measurement first: one row per diaSource, tagged as in
-- sql/views/tagged_sources.sql, and one per diaForcedSource that is an upper limit: at a visit where its object has no diaSource, and
-- below five sigma.
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
faint AS (
  SELECT *, 'upperlim' AS tag, 5 * psfFluxErr AS fluxLimit
  FROM fp
  WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
    AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
    AND ($last_id IS NULL OR diaObjectId <= $last_id)
    AND ($time_from IS NULL OR midpointMjdTai >= $time_from)
    AND ($time_to IS NULL OR midpointMjdTai <= $time_to)
    AND psfFlux < 5 * psfFluxErr
    AND timeWithdrawnMjdTai IS NULL
),
-- The left side of a join is held in memory: that is to be the one of two columns.
upper_limits AS (
  SELECT faint.*
  FROM detected_visits
  RIGHT ANTI JOIN faint ON detected_visits.diaObjectId = faint.diaObjectId AND detected_visits.visit = faint.visit
)
SELECT * FROM detections
UNION ALL BY NAME
SELECT * FROM upper_limits
ORDER BY midpointMjdTai DESC, diaObjectId, diaSourceId, diaForcedSourceId
