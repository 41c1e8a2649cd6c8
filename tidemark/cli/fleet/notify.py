"""``tidemark notify``: what people were told, and whether the webhook works."""

from __future__ import annotations

import click
from rich.text import Text

from tidemark import alerts, fleet
from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import age, facts, moment, print_json, print_table
from tidemark.errors import ConfigError

EPILOG = """\b
Examples:
  tidemark notify --test        send a test message to the webhook
  tidemark notify               which troubles were told, and whether the last telling got through
  tidemark notify --now         look and tell now, as the control worker does each minute
"""


@click.command("notify", epilog=EPILOG)
@click.option("--test", is_flag=True, help="Send a message that says it is a test.")
@click.option("--now", is_flag=True, help="Look at all shards and tell what is to be told.")
@common_options
@json_option
def command(test: bool, now: bool, as_json: bool) -> None:
    """Show what the webhook of [alert] was told. The control worker tells a failed run or a shard over its age once,
    again after repeat_every, and once that it is over."""
    settings = load_settings()
    webhook = alerts.Webhook.of(settings.alert)
    if (test or now) and webhook is None:
        raise ConfigError(
            "no webhook is configured",
            "write its address into a file of mode 0600 and name that as [alert] webhook_url_file",
        )
    if test and webhook is not None:
        status = alerts.send_test(webhook)
        if as_json:
            print_json({"host": webhook.host, "format": settings.alert.webhook_format, "status": status})
        else:
            facts.print(f"{webhook.host} took the test message ({status}).", soft_wrap=True)
        return
    with fleet.connect(settings.redis) as client:
        outcome = alerts.check(settings, client) if now else alerts.Outcome()
        known = fleet.incidents.known(client)
        delivery = fleet.incidents.delivery(client)
    if as_json:
        print_json(
            {
                "webhook": webhook.host if webhook else None,
                "told_now": [event.model_dump() for event in outcome.told],
                "incidents": {shard: incident.model_dump(mode="json") for shard, incident in sorted(known.items())},
                "delivery": delivery.model_dump() if delivery else None,
            }
        )
        return
    facts.print(f"webhook: {webhook.host if webhook else 'none is configured'}", soft_wrap=True)
    if outcome.waiting:
        facts.print(f"nothing was tried: {outcome.waiting}", soft_wrap=True)
    if delivery and delivery.error:
        facts.print(Text(f"last delivery failed {age(delivery.at)}: {delivery.error}", "red"), soft_wrap=True)
        facts.print(f"{delivery.failures} in a row; again at {moment(delivery.next_try)} UTC", soft_wrap=True)
    elif delivery:
        facts.print(f"last delivery: {age(delivery.at)}", soft_wrap=True)
    if not known:
        facts.print("No shard is in trouble as far as was told.")
        return
    print_table(
        ["shard", "since (UTC)", "told", "what"],
        [
            (
                shard,
                moment(incident.since),
                age(incident.told) if incident.told else "not yet",
                "; ".join(trouble.message for trouble in incident.troubles),
            )
            for shard, incident in sorted(known.items())
        ],
    )
