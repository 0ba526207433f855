-- The newest state of objects: one row per diaObject.
SELECT *
FROM objects
{where}
