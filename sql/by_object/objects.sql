-- The newest state of the asked objects, in the order of their ids: one row per diaObject.
--
--   $ids       BIGINT[]  diaObjectId; null: any
--   $first_id  BIGINT    first diaObjectId, inclusive; null: no limit
--   $last_id   BIGINT    last diaObjectId, inclusive; null: no limit, and rows without one come last
SELECT *
FROM objects
WHERE ($ids IS NULL OR diaObjectId = ANY ($ids))
  AND ($first_id IS NULL OR diaObjectId >= $first_id OR ($last_id IS NULL AND diaObjectId IS NULL))
  AND ($last_id IS NULL OR diaObjectId <= $last_id)
ORDER BY diaObjectId
