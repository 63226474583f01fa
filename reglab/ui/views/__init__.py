"""Values in, HTML or plain dictionaries out: a file prepares the values, a template of `ui/templates/` writes the HTML.

Read first: `templates.py`, then `comparison.py` with `plane.py` and `templates/compare.html`. `head.py` is what stands above the
tabs, `assets.py` what the page loads, `terms.py` the words that explain themselves. `setup.py` says what stands beside the
controls, `curves.py` what the live chart is told, `next_steps.py` what stands below it. `sweep.py` draws with `sweep_line.py`,
`heat_map.py`, `parallel.py` and `factorial.py`; `inside.py` and `errors.py` with `histograms.py`; `points.py` is the table below a
drawing. `chosen.py`, `fork.py` and `report.py` stand on the Results tab too. `answers.py`, `preview.py` and `reproduction.py` are a
page each, `effects.py` a part of a card.
May import: `experiments`, `analysis`, `runs`, and the floors below; neither gradio nor torch.
"""
