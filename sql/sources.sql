-- Light curves: one row per diaSource.
SELECT *
FROM sources
{where}
