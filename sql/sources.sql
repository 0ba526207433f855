-- The light curves of the asked objects: one row per diaSource.
--
--   $ids        BIGINT[]  diaObjectId
--   $time_from  DOUBLE    first midpointMjdTai, MJD in TAI, inclusive; null: no limit
--   $time_to    DOUBLE    last midpointMjdTai, MJD in TAI, inclusive; null: no limit
SELECT *
FROM sources
WHERE diaObjectId = ANY ($ids)
  AND ($time_from IS NULL OR midpointMjdTai >= $time_from)
  AND ($time_to IS NULL OR midpointMjdTai <= $time_to)
ORDER BY midpointMjdTai DESC, diaObjectId, diaSourceId
