-- v:totalAbMag, of a table with scienceFlux in nJy: its AB magnitude; null where it is not positive.
ab_mag(scienceFlux)
