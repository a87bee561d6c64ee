"""What all pages stand on: the layout, the language, the headers, and the pages of what went wrong.

The pages need no JavaScript, and a browser is told to run none, nor to take anything from elsewhere.
"""

import hashlib
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from domain.contract import Locale
from starter.web import words
from starter.web.problems import ApiError

STYLE: Final = files("starter.web").joinpath("assets/pages.css").read_bytes()
STYLE_PATH: Final = "/assets/pages.css"
_STYLE_VERSION: Final = hashlib.sha256(STYLE).hexdigest()[:16]
LANGUAGE_COOKIE: Final = "onboarding-language"
_A_YEAR: Final = 365 * 24 * 3600
_OF_PROGRAMS: Final = ("/api/", "/webhooks/")
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action {targets}; base-uri 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not `no-referrer`: with that a browser says `Origin: null` of our own forms.
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, Accept-Language",
    "X-Content-Type-Options": "nosniff",
}
_PAGES: Final = Environment(
    loader=PackageLoader("starter.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    style: str = STYLE_PATH,
    targets: str = "'self'",
    **values: Any,
) -> Response:
    """A page of a template in ``templates/pages``, in the reader's language.

    ``targets``: where its forms may lead (Content Security Policy); ``style``: the path of the stylesheet.
    """
    chosen = request.query_params.get("lang", "")
    locale = language(request)
    text = _PAGES.get_template(f"pages/{template}").render(
        locale=locale,
        languages=words.LANGUAGES,
        t=lambda key: words.word(key, locale),
        role=lambda name: words.role(name, locale),
        here=lambda code: f"{request.url.path}?{urlencode({**request.query_params, 'lang': code})}",
        style=f"{style}?v={_STYLE_VERSION}",
        **values,
    )
    headers = {
        **_HEADERS,
        "Content-Security-Policy": _POLICY.format(targets=targets),
        "Content-Language": locale,
    }
    response = HTMLResponse(text, status, headers)
    if chosen == locale:
        response.set_cookie(
            LANGUAGE_COOKIE,
            locale,
            max_age=_A_YEAR,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return response


def language(request: Request) -> Locale:
    """The language of the reader: what he has chosen, else what his browser prefers."""
    for said in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        for known in words.LANGUAGES:
            if said == known:
                return known
    return words.preferred(request.headers.get("accept-language", ""))


def problem(request: Request, error: ApiError) -> Response | None:
    """The page of what went wrong; ``None``: it is no person who asks."""
    if not _is_for_people(request):
        return None
    status = error.problem.status
    response = problem_page(request, status, f"error.{status}")
    for name in ("Allow", "Retry-After"):
        if (value := (error.headers or {}).get(name)) is not None:
            response.headers[name] = value
    return response


def problem_page(request: Request, status: int, key: str, *, again: str | None = None) -> Response:
    """The same, by the key of its words; ``again``: where one signs in."""
    known = key if key in words.WORDS else "error.other"
    return page(request, "problem.html.j2", status=status, key=known, again=again)


def _is_for_people(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_OF_PROGRAMS)


def stylesheet(path: str = STYLE_PATH) -> APIRouter:
    """The route of the stylesheet."""
    router = APIRouter(include_in_schema=False)

    @router.get(path)
    async def style() -> Response:
        headers = {
            "Cache-Control": f"public, max-age={_A_YEAR}, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(STYLE, media_type="text/css", headers=headers)

    return router
