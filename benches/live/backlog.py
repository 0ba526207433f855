"""How fast `live` reads topics that are full, and with how much memory."""

import time

from broker import broker, topic
from program import until


def backlog(program, alerts):
    """Reads all these alerts, into a table that has the nights before."""
    with broker() as address:
        stream = topic(address, "backlog")
        for alert in alerts:
            stream.send(None, alert.value)
        stream.flush()
        begun = time.monotonic()
        with program.live(address, "backlog", program.warehouse("backlog")) as live:
            until(lambda: live.messages() >= len(alerts), 1200)
            seconds, cpu_s, peak_mib = time.monotonic() - begun, live.cpu_s(), live.peak_mib()
    return {
        "alerts": len(alerts),
        "bytes_each": sum(len(alert.value) for alert in alerts) / len(alerts),
        "seconds": seconds,
        "alerts_a_second": len(alerts) / seconds,
        "cpu_s": cpu_s,
        "peak_mib": peak_mib,
    }
