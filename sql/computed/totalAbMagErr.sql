-- v:totalAbMagErr, of a table with scienceFlux and scienceFluxErr in nJy: the uncertainty of the AB magnitude; null where scienceFlux is not
-- positive.
ab_mag_err(scienceFlux, scienceFluxErr)
