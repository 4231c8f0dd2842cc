"""The board in a real browser, on what a real dispatcher decided.

`conftest` finds the browser and opens it; `scenes` makes what there is to see, out of events;
`visits` is a tab that notices whatever must not happen in it; `looks` is what is measured on a
page: accessibility, width, focus, pictures.
"""
