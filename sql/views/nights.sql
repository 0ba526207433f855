-- A summary of each night's sources: one row per night and band, the newest night first. On a large table, select some
-- nights (WHERE day_obs >= ...): then only their rows are read.
--
--   day_obs          BIGINT  the night, YYYYMMDD (the date in UTC-12)
--   band             TEXT    filter: u g r i z or y
--   visits           BIGINT  exposures that have sources
--   sources          BIGINT  diaSources
--   objects          BIGINT  diaObjects that they belong to
--   first_utc        TEXT    middle of the first of the visits in UTC, ISO 8601
--   last_utc         TEXT    and of the last
--   median_flux_njy  REAL    median of psfFlux, nJy
--   depth_ab_mag     DOUBLE  AB magnitude of five times the median of psfFluxErr
SELECT
  day_obs(midpointMjdTai) AS day_obs,
  band,
  count(DISTINCT visit) AS visits,
  count(*) AS sources,
  count(DISTINCT diaObjectId) AS objects,
  mjd_to_iso_utc(min(midpointMjdTai)) AS first_utc,
  mjd_to_iso_utc(max(midpointMjdTai)) AS last_utc,
  median(psfFlux) AS median_flux_njy,
  ab_mag(5 * median(psfFluxErr)) AS depth_ab_mag
FROM sources
GROUP BY day_obs, band
ORDER BY day_obs DESC, band
