"""`burnish view`: write the page of a run and open it."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import out


def view(run: Positional[Path], *, open: bool = True) -> None:
    """Write a run's self-contained HTML page and open it in the browser where there is one.

    Example: burnish view runs/first

    Args:
        run: Run folder.
        open: Open the page in a browser.
    """
    from burnish import api

    page = api.view(run)
    out.print(str(page))
    if open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
