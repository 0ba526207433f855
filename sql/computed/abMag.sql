-- v:abMag, of a table with psfFlux in nJy: its AB magnitude; null where it is not positive.
ab_mag(psfFlux)
