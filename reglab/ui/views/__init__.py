"""Values in, HTML or plain dictionaries out: a file prepares the values, a template of `ui/templates/` writes the HTML.

Read first: `templates.py` and `numbers.py`, then `comparison.py` with `plane.py` and `templates/compare.html`. `curves.py` is
what the live chart is told; `sweep.py` draws with `sweep_line.py`, `heat_map.py`, `parallel.py` and `factorial.py`; `inside.py`
and `errors.py` with `histograms.py`. `chosen.py`, `fork.py` and `report.py` stand on the Results tab too. `answers.py`,
`preview.py` and `reproduction.py` are a page each.
May import: `experiments`, `analysis`, `runs`, and the floors below; neither gradio nor torch.
"""
