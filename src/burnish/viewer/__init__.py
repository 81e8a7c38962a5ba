"""Floor 7: self-contained HTML pages of runs and reports."""

from burnish.viewer.page import render_page, write_html
from burnish.viewer.run_page import comparison_page, run_page

__all__ = ["comparison_page", "render_page", "run_page", "write_html"]
