"""The page, and what other programs may call. Read `app.py` first, its table of contents, then a tab you know.

`tabs/` lay out components, one file or folder a tab, and ask `services/`, which do what the page offers in plain values; `views/` turn
values into HTML by `templates/`. `page.py` is what tabs share, `components/` are parts that several of them use, `api.py` the
endpoints of programs, `static/` style sheets and scripts. Only this package imports gradio, and of it neither `services/` nor
`views/`. May import everything else.
"""

from reglab import compat

compat.gradio.skip_stubs()  # before anything here imports gradio
