-- The forced photometry of the asked objects: one row per diaForcedSource.
--
--   $ids  BIGINT[]  diaObjectId
SELECT *
FROM fp
WHERE diaObjectId = ANY ($ids)
ORDER BY midpointMjdTai DESC, diaObjectId, diaForcedSourceId
