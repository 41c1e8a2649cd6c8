"""The fleet's figures for Prometheus: what there is (families), how it is read (collector), and who serves it (server).

Everything comes from Redis at the moment of a scrape: an exporter has no state, so it may be restarted or doubled.

::

    collector  from what Redis holds to samples
    families   every metric there is, in one table
    server     the HTTP server that Prometheus scrapes
"""

from tidemark.exporter.collector import FleetCollector
from tidemark.exporter.families import FAMILIES, Family
from tidemark.exporter.server import Exporter

__all__ = ["FAMILIES", "Exporter", "Family", "FleetCollector"]
