"""The page of --report: one file of HTML with all that a command found, which loads nothing from elsewhere.

page       the page: its parts, and their order
pictures   pictures as SVG, in the colours of the page
style      its colours and layout, light and dark, and what sorts tables and copies text
"""

from synkin.cli.report.page import Page

__all__ = ["Page"]
