"""Runs SQL with parameters: lists the nights, then reads one object's light curve in AB magnitudes.

Usage: adbc_sql.py grpc://localhost:8080
Needs: pip install adbc-driver-flightsql pyarrow pandas
"""
import sys

from adbc_driver_flightsql import dbapi

with dbapi.connect(sys.argv[1], autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT day_obs, band, visits, sources, depth_ab_mag FROM nights LIMIT 10")
    print(cursor.fetch_df().to_string(index=False))

    cursor.execute("SELECT diaObjectId FROM newest_objects WHERE nDiaSources > ? LIMIT 1", (10,))
    (dia_object_id,) = cursor.fetchone()
    cursor.execute(
        "SELECT utc, band, ab_mag, ab_mag_err FROM light_curves "
        "WHERE diaObjectId = ? AND NOT forced ORDER BY utc",
        (dia_object_id,),
    )
    light_curve = cursor.fetch_arrow_table()
    print(f"object {dia_object_id}: {light_curve.num_rows} measurements")
    print(light_curve.slice(0, 5).to_pandas().to_string(index=False))
