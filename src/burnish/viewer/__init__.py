"""Floor 7: self-contained HTML pages of runs and reports."""

from burnish.viewer.page import render_page, write_html
from burnish.viewer.run_page import run_page

__all__ = ["render_page", "run_page", "write_html"]
