"""`onboarding codec-server`: what Temporal's Web UI and CLI read encrypted applications with."""

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from settings import Settings, SettingsError, load_settings
from starter.cli.deploy import DEPLOY
from starter.cli.runner import USAGE, fail
from starter.cli.session import Session

if TYPE_CHECKING:
    from starter.codec.server import Admits, Roles
    from workflows.codec import EncryptionCodec

DEFAULT_PORT: Final = 8234

app: Final = typer.Typer()


@app.command(
    "codec-server",
    rich_help_panel=DEPLOY,
    epilog="Example: onboarding codec-server --origin http://localhost:8233",
)
def codec_server(
    ctx: typer.Context,
    origin: Annotated[
        list[str] | None, typer.Option(help="Origin of a Web UI that may ask; can be repeated.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    jwks: Annotated[
        str | None,
        typer.Option(help="Public keys of an OpenID Connect issuer, file or address, to let its users in."),
    ] = None,
    issuer: Annotated[str | None, typer.Option(help="That issuer, as its tokens name it.")] = None,
    audience: Annotated[str | None, typer.Option(help="Whom its tokens must be for.")] = None,
    read_role: Annotated[
        str | None, typer.Option(help="Role that reads; without it, all the tokens are for.")
    ] = None,
    write_role: Annotated[
        str | None, typer.Option(help="Role that writes as well; without it, nobody.")
    ] = None,
    roles_claim: Annotated[
        str, typer.Option(help="Claim of a token that names the roles, such as realm_access.roles.")
    ] = "roles",
) -> None:
    """Decrypt payloads for Temporal's Web UI and CLI, until Ctrl-C, and encrypt what is sent by them.

    Callers show ONBOARDING_CODEC_TOKEN to read, ONBOARDING_CODEC_WRITE_TOKEN to write as well, or a token of
    the issuer. Without any it serves this machine only. Who asked is logged.
    """
    # Only this command needs a web server; the others start faster without.
    import uvicorn

    from activities.loopback import is_loopback
    from runtime.process import plain_lines, until_signalled
    from starter.codec.server import Roles, codec_app, exact_origin

    session: Session = ctx.obj
    try:
        settings = load_settings()
        codec = _codec(settings)
        origins = frozenset(exact_origin(each) for each in origin or ())
        roles = Roles(claim=roles_claim, read=read_role, write=write_role)
        admits = _admits(settings, jwks, issuer, audience, roles)
    except SettingsError as error:
        fail(f"Wrong settings:\n{error}", code=USAGE)
    except ValueError as error:
        fail(str(error), code=USAGE)
    if admits is None and not is_loopback(host):
        fail(
            f"Everybody who reaches {host} could read every application.",
            "Set ONBOARDING_CODEC_TOKEN, or --jwks, --issuer and --audience; or listen on 127.0.0.1.",
            USAGE,
        )
    plain_lines(logging.StreamHandler())
    served = codec_app(codec, origins=origins, admits=admits)
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        fail(f"{host}:{port} can't be listened on: {error.strerror}", "Another port: --port N.")
    with listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        session.console.print(Text(f"Codec endpoint: {address}"), soft_wrap=True)
        server = uvicorn.Server(
            uvicorn.Config(served, log_level="warning", access_log=False, server_header=False, lifespan="off")
        )
        asyncio.run(until_signalled(server.serve(sockets=[listener])))


def _codec(settings: Settings) -> "EncryptionCodec":
    """Not the settings' own: here a clear payload is to come back as it is, required or not.

    Raises ValueError without keys.
    """
    from workflows.codec import EncryptionCodec

    if settings.encryption_keys is None:
        raise ValueError("ONBOARDING_ENCRYPTION_KEYS: must be set to the keys of the workers")
    return EncryptionCodec.from_text(settings.encryption_keys.get_secret_value())


def _admits(
    settings: Settings, jwks: str | None, issuer: str | None, audience: str | None, roles: "Roles"
) -> "Admits | None":
    """Raises ValueError for half an issuer, two ways in, or keys that can't be read."""
    from starter.codec.server import Caller, Right, Roles, oidc_tokens, shared_tokens

    shown = (
        (settings.codec_token, Caller("the reading token", frozenset({Right.DECODE}))),
        (settings.codec_write_token, Caller("the writing token", frozenset(Right))),
    )
    tokens = {token.get_secret_value(): caller for token, caller in shown if token is not None}
    if jwks is None and issuer is None and audience is None:
        if roles != Roles():
            raise ValueError("--read-role, --write-role and --roles-claim go with --jwks")
        return shared_tokens(tokens) if tokens else None
    if not (jwks and issuer and audience):
        raise ValueError("--jwks, --issuer and --audience belong together")
    if tokens:
        raise ValueError("ONBOARDING_CODEC_TOKEN, ONBOARDING_CODEC_WRITE_TOKEN and --jwks exclude each other")
    return oidc_tokens(jwks, issuer=issuer, audience=audience, roles=roles)
