"""What a lesson needs: cards of the techniques, lessons, links, assignments and the sheets that are handed in.

Read first: `cards.py` (a card is made of its class, and of what `effects.py` has measured).
A link (`links.py`) says a config, or an assignment (`assignments.py`), which puts rules around one; a sheet (`sheet.py`) is
what came of it. `presets.py` are the recipes and questions above the boards, `lessons/` a lesson a file; `text.py` cleans
what strangers write.
May import: `experiments` and the floors below.
"""
