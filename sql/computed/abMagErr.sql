-- v:abMagErr, of a table with psfFlux and psfFluxErr in nJy: the uncertainty of the AB magnitude; null where psfFlux is not positive.
ab_mag_err(psfFlux, psfFluxErr)
