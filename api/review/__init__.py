"""The review site: pages where people decide, look and promote. Server-rendered, with small scripts of our own.

* ``site.py`` lists the pages; ``route.py`` is what surrounds each (who asks, headers, errors), ``render.py`` writes it.
* ``pages/`` has a module for each page, which reads and hands plain data to its template; ``actions/`` answers forms.
* ``items/``, ``views/``, ``charts/`` and ``forms/`` make of data what templates show; ``words.py`` writes figures.
* ``templates/`` and ``static/`` are what a browser gets.

A page knows no rule of the loop: it calls what the API's routes call. Scripts speak to the API (``/v1/…``) with the
session's cookie and the page's token.
"""
