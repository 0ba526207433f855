-- The asked objects in their newest state: one row per diaObject.
--
--   $ids  BIGINT[]  diaObjectId
SELECT *
FROM objects
WHERE diaObjectId = ANY ($ids)
ORDER BY diaObjectId
