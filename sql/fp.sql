-- Forced photometry: one row per diaForcedSource.
SELECT *
FROM fp
{where}
