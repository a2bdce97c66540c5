"""`python -m gdexp.report`: what a recorded sweep showed, as pages, figures and numbers that regenerate."""

from __future__ import annotations

from gdexp.report.command import main

main()
