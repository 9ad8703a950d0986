"""The `outlay` command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, NoReturn

import typer

from backend.cli.progress import console
from backend.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Budget analytics in one box.")
seed = typer.Typer(no_args_is_help=True, help="Load data to try Outlay with.")
app.add_typer(seed, name="seed")


@app.command()
def up(
    demo: Annotated[bool, typer.Option(help="Load the demo data and print ready tokens.")] = False,  # noqa: FBT002  # typer's way to say a flag
) -> None:
    """Start PostgreSQL, Dagster and the API, and stay until Ctrl-C."""
    from backend.cli.up import up as run

    with _explained():
        run(Settings(), demo=demo)


@app.command()
def prepare(
    code_server: Annotated[str, typer.Option(help="Where Dagster finds its code server.")],
) -> None:
    """Make roles, databases, schema and Dagster's configuration, for services that run alone."""
    from backend.cli.database import prepare_database, running_database
    from backend.cli.home import make_private_folders
    from orchestration.dbt_project import prepare_manifest
    from orchestration.instance import write_instance

    settings = Settings()
    host, _, port = code_server.rpartition(":")
    if not host or not port.isdigit():
        _fail(f"--code-server is host:port, such as dagster-code:4000, not {code_server!r}.")
    make_private_folders(settings)
    with _explained(), running_database(settings):
        prepare_database(settings)
        prepare_manifest(settings)
        write_instance(settings, int(port), grpc_host=host)


@app.command()
def token(
    email: str,
    organization: Annotated[str | None, typer.Option(help="Its name or id, if several.")] = None,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    scopes: Annotated[str, typer.Option(help="read, write, admin; comma separated.")] = "read",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Life in days.")] = 30,
) -> None:
    """Make an API token for a member; it is shown this once."""
    from backend.cli.database import running_database
    from backend.cli.token import make_token

    settings = Settings()
    with _explained(), running_database(settings):
        made = asyncio.run(
            make_token(
                settings,
                email=email,
                organization=organization,
                name=name,
                scopes=tuple(s.strip() for s in scopes.split(",")),
                life=timedelta(days=days),
            )
        )
        print(made)


@app.command("password-reset")
def password_reset(email: str) -> None:
    """Make a one-time link with which a user sets a new password."""
    from backend.cli.database import running_database
    from backend.cli.password_reset import make_reset
    from backend.errors import OutlayError

    settings = Settings()
    with running_database(settings):
        try:
            made = asyncio.run(make_reset(settings, email))
        except OutlayError as error:
            _fail(error.detail)
    print(made)


@app.command()
def refresh(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its end.")] = 900,
) -> None:
    """Rebuild the marts through Dagster and publish a new generation."""
    from backend.cli.refresh import launched_refresh

    with _explained():
        print(launched_refresh(Settings(), timeout_seconds=timeout))


@app.command()
def doctor() -> None:
    """Explain what is wrong with this set-up, if anything."""
    from backend.cli.doctor import diagnose

    findings = diagnose(Settings())
    for finding in findings:
        console.print(
            f"[{'green]✓' if finding.good else 'red]✗'}[/] {finding.what}: {finding.detail}",
            soft_wrap=True,
        )
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@seed.command("demo")
def seed_demo() -> None:
    """Birmingham City Council's real card purchases, and a generated household."""
    from backend.cli.database import prepare_database, running_database
    from backend.cli.seed import run_demo_seed

    settings = Settings()
    with _explained(), running_database(settings):
        prepare_database(settings)
        for report in run_demo_seed(settings, progress=console.print):
            console.print(
                f"{report.organization}: {report.transactions:,} transactions "
                f"({report.refunds:,} refunds), {report.accounts:,} accounts, "
                f"{report.categories:,} categories, {report.tags:,} tags, "
                f"{report.budgets:,} budgets"
            )
            for finding in report.findings:
                console.print(f"  found: {finding}", soft_wrap=True)


@seed.command("synthetic")
def seed_synthetic(
    transactions: Annotated[int, typer.Option(min=1)] = 100_000,
    people: Annotated[int, typer.Option(min=1)] = 100,
    organizations: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Generated transactions of any number, the same ones every time."""
    from backend.cli.database import prepare_database, running_database
    from backend.cli.seed import run_synthetic_seed

    settings = Settings()
    with _explained(), running_database(settings):
        prepare_database(settings)
        for report in run_synthetic_seed(
            settings, transactions=transactions, people=people, organizations=organizations
        ):
            state = "loaded" if report.created else "was there already"
            console.print(f"{report.organization}: {report.transactions:,} transactions, {state}")


@contextmanager
def _explained() -> Iterator[None]:
    """What is expected to go wrong is said in a sentence, without a stack trace."""
    from backend.cli.database import DatabaseUnusable
    from backend.cli.ports import PortInUse
    from backend.cli.processes import ProcessFailed
    from backend.cli.refresh import RefreshFailed
    from backend.cli.up import AlreadyRunning
    from backend.db.embedded import EmbeddedPostgresError
    from backend.errors import OutlayError
    from orchestration.dbt_project import DbtProjectError

    try:
        yield
    except OutlayError as error:
        _fail(error.detail)
    except (
        AlreadyRunning,
        DatabaseUnusable,
        DbtProjectError,
        EmbeddedPostgresError,
        PortInUse,
        ProcessFailed,
        RefreshFailed,
    ) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    console.print(f"[red]{message}[/]", soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
