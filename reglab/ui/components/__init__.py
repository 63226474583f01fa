"""Parts of Gradio that several tabs use. Read `controls.py` first: the set-up as values, one component with `panel.py`.

`chart` is the live chart, `drawings` what views have drawn, `networks` the choice of trained networks, `links` a link to copy,
`download` a file that is made when asked for, `assigned` what an assignment makes of a page, `settings` what fields are called.
`events` says how events are sent, `stamps` what a page shows, `visitor` what a browser remembers. May import `services` and
`views`, and no tab.
"""
