"""What a lesson needs: cards of the techniques, lessons, links and assignments, lesson sheets, recipes to begin with.

Read first: `cards.py`; a lesson is a file in `lessons/`. A link (`links.py`) says a config or an assignment
(`assignments.py`); a sheet (`sheet.py`) is what comes of one.
May import: `experiments` and the floors below.
"""
