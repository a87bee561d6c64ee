"""The reference of the API as a page: made from its description, with nothing from elsewhere on it."""

import base64
import hashlib
import json
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from starter.web.door import API

STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}"
    "code,pre,h2,li a{font-family:ui-monospace,monospace}h2{font-size:1.1rem;margin-top:2.5rem}"
    "pre{background:#f3f4f6;overflow:auto;padding:.75rem}table{border-collapse:collapse}"
    "caption{text-align:left}th,td{border:1px solid #9ca3af;padding:.25rem .5rem;text-align:left}"
)
_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none';"
    " base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}
_PAGES: Final = Environment(loader=PackageLoader("starter.web"), autoescape=True, undefined=StrictUndefined)


def page(document: dict[str, Any]) -> str:
    """The page of this description."""
    calls = [
        {
            "method": method.upper(),
            "path": path,
            "operationId": operation["operationId"],
            "description": operation["description"],
            "parameters": [
                {"required": False, "description": "", **each} for each in operation.get("parameters", ())
            ],
            "example": _example(operation),
            "answers": ", ".join(sorted(operation["responses"])),
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    template = _PAGES.get_template("reference.html.j2")
    return template.render(document=document, calls=calls, style=STYLE, address=f"{API}/openapi.json")


def _example(operation: dict[str, Any]) -> str | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = list(content.get("examples", {}).values())
    return json.dumps(examples[0]["value"], indent=2, ensure_ascii=False) if examples else None
