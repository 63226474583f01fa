"""Parts of Gradio that several tabs use. Read `controls.py` first: the set-up as values, one component with `panel.py`.

`chart` is the live chart, `drawings` what views have drawn, `networks` what trained networks are called, `links` a link to copy,
`download` a file that is made when asked for, `assigned` what an assignment makes of a page, `settings` what fields are called,
`remarks` what is said beside controls, `minutes` the line on ZeroGPU's minutes. `run_list` is the list of runs of the Results tab,
`form` a form with one value whatever number of fields, `entries` a list to choose a page from, `picture` a picture that is given.
`events` says how events are sent, `stamps` what a page shows, `visitor` what a browser remembers. May import `services` and
`views`, and no tab.
"""
