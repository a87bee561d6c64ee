"""`onboarding codec-server`: what Temporal's Web UI and CLI read encrypted applications with."""

import asyncio
import socket
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from settings import Settings, SettingsError, load_settings
from starter.cli.deploy import DEPLOY
from starter.cli.runner import USAGE, fail
from starter.cli.session import Session

if TYPE_CHECKING:
    from starter.codec.server import Admits
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
) -> None:
    """Decrypt payloads for Temporal's Web UI and CLI, until Ctrl-C.

    Callers show ONBOARDING_CODEC_TOKEN, or a token of the issuer. Without either it serves this machine only.
    """
    # Only this command needs a web server; the others start faster without.
    import uvicorn

    from activities.loopback import is_loopback
    from runtime.process import until_signalled
    from starter.codec.server import codec_app, exact_origin

    session: Session = ctx.obj
    try:
        settings = load_settings()
        codec = _codec(settings)
        origins = frozenset(exact_origin(each) for each in origin or ())
        admits = _admits(settings, jwks, issuer, audience)
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
    settings: Settings, jwks: str | None, issuer: str | None, audience: str | None
) -> "Admits | None":
    """Raises ValueError for half an issuer, two ways in, or keys that can't be read."""
    from starter.codec.server import oidc_tokens, shared_token

    token = settings.codec_token
    if jwks is None and issuer is None and audience is None:
        return None if token is None else shared_token(token.get_secret_value())
    if not (jwks and issuer and audience):
        raise ValueError("--jwks, --issuer and --audience belong together")
    if token is not None:
        raise ValueError("ONBOARDING_CODEC_TOKEN and --jwks exclude each other")
    return oidc_tokens(jwks, issuer=issuer, audience=audience)
