"""Tidemark: full physical backups of sharded MySQL and MariaDB, without reading them from the serving primaries."""

__version__ = "0.1.0"
