"""What a lesson needs: cards of the techniques, lessons, links and assignments, lesson sheets, recipes to begin with.

Read first: `cards.py`.
May import: `experiments` and the floors below.
"""
