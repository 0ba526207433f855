-- The light curves of the asked objects, the newest measurement first: one row per diaSource.
--
--   $ids        BIGINT[]  diaObjectId; null: any
--   $first_id   BIGINT    first diaObjectId, inclusive; null: no limit
--   $last_id    BIGINT    last diaObjectId, inclusive; null: no limit, and rows without one come last
--   $time_from  DOUBLE    first midpointMjdTai, MJD in TAI, inclusive; null: no limit
--   $time_to    DOUBLE    last midpointMjdTai, MJD in TAI, inclusive; null: no limit
SELECT *
FROM sources
WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
  AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
  AND ($last_id IS NULL OR diaObjectId <= $last_id)
  AND ($time_from IS NULL OR midpointMjdTai >= $time_from)
  AND ($time_to IS NULL OR midpointMjdTai <= $time_to)
ORDER BY midpointMjdTai DESC, diaObjectId, diaSourceId
