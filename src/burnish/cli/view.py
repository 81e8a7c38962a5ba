"""`burnish view`: write the page of a run and open it."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from burnish.cli._console import out as console


def view(
    run: Positional[Path],
    after: Positional[Path | None] = None,
    *,
    out: Path | None = None,
    tokenizer: str = "",
    open: bool = True,
) -> None:
    """Write a self-contained HTML page of a run, or of two runs of the same tasks, and open it in the browser where there is one.

    Example: burnish view runs/before runs/after

    Args:
        run: Run folder; with `after`, the one to compare with.
        after: Run folder of the same tasks, later: the page then shows what became better and worse.
        out: File to write instead of `report.html` or `comparison.html` in the run folder.
        tokenizer: "embedded" or a checkpoint folder, for the text of tokens where the run's own model is not here.
        open: Open the page in a browser.
    """
    from burnish import api

    page = api.view(run, after, out=out, tokenizer=tokenizer)
    console.print(str(page))
    if open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
