"""``tidemark users``: who may log in to Flower."""

from __future__ import annotations

import secrets
import sys

import click

from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import facts, print_json
from tidemark.errors import ConfigError
from tidemark.web.users import Users


@click.group("users")
@common_options
def group() -> None:
    """Who may log in to Flower: names and hashed passwords in the file that [flower] users_file names.

    Flower looks at the file at every request: a login that is removed has ended.
    """


@group.command(
    "add",
    epilog="\b\nExamples:\n  tidemark users add alice\n  tidemark users add alice --generate\n"
    "  pass show tidemark/alice | tidemark users add alice --stdin",
)
@click.argument("name")
@click.option("--generate", is_flag=True, help="Make a password and print it, once.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from the first line of standard input.")
@common_options
@json_option
def add(name: str, generate: bool, from_stdin: bool, as_json: bool) -> None:
    """Add a login, or change its password. The password is asked for; it is never an argument, which every account
    of the machine could see."""
    if generate and from_stdin:
        raise click.UsageError("--generate and --stdin exclude each other")
    users = _users(missing_ok=True)
    known = name in users.hashes
    if generate:
        password = secrets.token_urlsafe(18)
    elif from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    users.set(name, password)
    users.write()
    if as_json:
        print_json({"name": name, "changed": known} | ({"password": password} if generate else {}))
        return
    facts.print(f"{name} may log in{' with the new password' if known else ''}.", markup=False, soft_wrap=True)
    if generate:
        facts.print(f"The password is {password}", markup=False, soft_wrap=True)


@group.command("remove", epilog="\b\nExamples:\n  tidemark users remove alice")
@click.argument("name")
@common_options
@json_option
def remove(name: str, as_json: bool) -> None:
    """Take a login away."""
    users = _users()
    if name not in users.hashes:
        raise ConfigError(f"nobody is called {name} in {users.path}", "tidemark users list")
    del users.hashes[name]
    users.write()
    if as_json:
        print_json({"name": name, "removed": True})
        return
    facts.print(f"{name} may not log in any more.", markup=False, soft_wrap=True)


@group.command("list", epilog="\b\nExamples:\n  tidemark users list")
@common_options
@json_option
def list_(as_json: bool) -> None:
    """List the names."""
    names = sorted(_users(missing_ok=True).hashes)
    if as_json:
        print_json(names)
        return
    for name in names:
        facts.print(name, markup=False)


def _users(*, missing_ok: bool = False) -> Users:
    path = load_settings().flower.users_file
    if path is None:
        raise ConfigError(
            "the configuration names no file of logins", 'add [flower] users_file = "/etc/tidemark/users" to it'
        )
    return Users.read(path, missing_ok=missing_ok)
