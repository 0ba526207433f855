-- f:pixel1024, of a table with ra and dec in degrees (ICRS): the HEALPix cell at nside 1024, which is order 10, in the ring scheme.
CAST(healpix_ring_index(10, ra, dec) AS INT)
