"""``tidemark exporter``: the fleet's figures for Prometheus."""

from __future__ import annotations

import logging

import click

from tidemark import config
from tidemark.cli.context import common_options, config_path
from tidemark.cli.output import console
from tidemark.config.metrics import split_address
from tidemark.exporter import Exporter, FleetCollector

EPILOG = """\b
Examples:
  tidemark exporter                            on [metrics] listen, 127.0.0.1:9899 without it
  tidemark exporter --listen 0.0.0.0:9899      for a Prometheus on another machine
  tidemark exporter --once | promtool check metrics
"""


@click.command("exporter", epilog=EPILOG)
@click.option("--listen", metavar="HOST:PORT", help="Where to answer Prometheus, instead of [metrics] listen.")
@click.option("--once", is_flag=True, help="Print the metrics as they are now and end.")
@common_options
def command(listen: str | None, once: bool) -> None:
    """Serve the fleet's figures at /metrics, until it is stopped.

    They are read from Redis when Prometheus asks; an edited configuration counts from the next scrape on. One exporter
    is enough for the whole fleet, wherever Redis can be reached from. docs/metrics.md lists every metric.
    """
    path = config_path()
    collector = FleetCollector(lambda: config.current(path))
    if once:
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(collector)
        click.echo(generate_latest(registry).decode(), nl=False)
        return
    if listen is not None:
        try:
            split_address(listen)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--listen") from None
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    with Exporter(collector, listen or config.current(path).metrics.listen) as exporter:
        console.print(f"serving http://{exporter.address}/metrics", soft_wrap=True)
        exporter.wait()
