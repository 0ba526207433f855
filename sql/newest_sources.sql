-- The newest measurement of each object, with what the newest state of its object says besides: one row per diaObject.
WITH
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY diaObjectId ORDER BY midpointMjdTai DESC NULLS LAST, diaSourceId DESC) AS place_in_time
  FROM sources
  {where}
),
states AS (
  SELECT *
  FROM object_states
  {where}
)
-- DataFusion holds the left side of a join in memory, so the left side is the one with fewer columns.
SELECT states.* EXCEPT (diaObjectId), ranked.*
FROM states
RIGHT JOIN ranked ON states.diaObjectId = ranked.diaObjectId
WHERE place_in_time = 1
