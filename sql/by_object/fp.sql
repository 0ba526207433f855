-- The forced photometry of the asked objects, object after object, the newest measurement of each first: one row per diaForcedSource.
--
--   $ids       BIGINT[]  diaObjectId; null: any
--   $first_id  BIGINT    first diaObjectId, inclusive; null: no limit
--   $last_id   BIGINT    last diaObjectId, inclusive; null: no limit, and rows without one come last
SELECT *
FROM fp
WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
  AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
  AND ($last_id IS NULL OR diaObjectId <= $last_id)
ORDER BY diaObjectId, midpointMjdTai DESC, diaForcedSourceId DESC
