"""Floor 7: self-contained HTML pages of runs and reports. Start with `page.render_page` and `run_page.run_page`."""
