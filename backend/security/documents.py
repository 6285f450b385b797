"""The two pages that a browser gets before it is let in. They need no script and no other file."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, Response

_DOCUMENT = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{title} - ResDrop</title>
    <style>
      :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
      main {{ max-width: 32rem; margin: 12vh auto 0; padding: 0 1.25rem; }}
      h1 {{ font-size: 1.5rem; }}
      label {{ display: block; font-weight: 600; }}
      input, button {{ box-sizing: border-box; width: 100%; min-height: 2.75rem; margin-top: .5rem; font: inherit; }}
      code {{ overflow-wrap: anywhere; }}
      .complaint {{ border-left: .25rem solid; padding-left: .75rem; font-weight: 600; }}
    </style>
  </head>
  <body>
    <main>
      <h1>{title}</h1>
{body}
    </main>
  </body>
</html>
"""
_FORM = """\
{complaint}\
      <form method="post" action="{action}">
        <input type="hidden" name="next" value="{going_to}">
        <label for="token">Token</label>
        <input id="token" name="token" type="password" required autofocus autocomplete="current-password"
          autocapitalize="off" spellcheck="false" aria-describedby="where"{invalid}>
        <button type="submit">Continue</button>
      </form>
      <p id="where">The account that runs ResDrop finds the token in the file <code>token</code> of its home, usually
        <code>~/.resdrop/token</code>, unless it chose one itself in <code>RESDROP_TOKEN</code>.</p>
"""


def token_page(*, action: str, going_to: str, complaint: str = "", status: int = 401) -> Response:
    """A form that posts the token to `action`, which leads on to `going_to`."""
    said = f'      <p class="complaint" role="alert" id="complaint">{escape(complaint)}</p>\n' if complaint else ""
    body = _FORM.format(
        action=escape(action),
        going_to=escape(going_to),
        complaint=said,
        invalid=' aria-invalid="true" aria-errormessage="complaint"' if complaint else "",
    )
    return _document("Enter the token of this ResDrop", body, status)


def refusal_page(detail: str) -> Response:
    return _document("ResDrop does not answer under this address", f"      <p>{escape(detail)}</p>\n", 403)


def _document(title: str, body: str, status: int) -> Response:
    content = _DOCUMENT.format(title=escape(title), body=body)
    return HTMLResponse(content, status, headers={"Cache-Control": "no-store"})
