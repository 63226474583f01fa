"""The page: `app.py` is its table of contents; one file a tab in `tabs/`, whose handlers ask `services/`.

`services/` do what the tabs offer and `views/` turn values into HTML; neither has heard of Gradio. `components/` are the
parts of Gradio that several tabs use. Only this package imports gradio.
"""
