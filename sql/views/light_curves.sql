-- Every measurement of every object: one row per diaSource, and one per diaForcedSource, in no order. Select some
-- objects (WHERE diaObjectId = ...): then only their rows are read.
--
--   diaObjectId     BIGINT
--   midpointMjdTai  DOUBLE   middle of the exposure, MJD in TAI
--   utc             TEXT     the same in UTC, ISO 8601
--   visit           BIGINT   exposure
--   band            TEXT     filter: u g r i z or y
--   forced          BOOLEAN  false: a detection, of sources; true: forced photometry, of fp
--   psfFlux         REAL     flux on the difference image, nJy
--   psfFluxErr      REAL     its uncertainty, nJy
--   snr             REAL     psfFlux / psfFluxErr: negative where the object is fainter than in the template
--   ab_mag          DOUBLE   AB magnitude of psfFlux; null where it is not positive
--   ab_mag_err      DOUBLE   its uncertainty
SELECT
  diaObjectId,
  midpointMjdTai,
  mjd_to_iso_utc(midpointMjdTai) AS utc,
  visit,
  band,
  forced,
  psfFlux,
  psfFluxErr,
  psfFlux / psfFluxErr AS snr,
  ab_mag(psfFlux) AS ab_mag,
  ab_mag_err(psfFlux, psfFluxErr) AS ab_mag_err
FROM (
  SELECT diaObjectId, midpointMjdTai, visit, band, false AS forced, psfFlux, psfFluxErr FROM sources
  UNION ALL
  SELECT diaObjectId, midpointMjdTai, visit, band, true AS forced, psfFlux, psfFluxErr FROM fp
)
