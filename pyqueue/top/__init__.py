"""``pyqueue top``: what happens, on a terminal. ``reading`` asks the file, ``screen`` makes lines of the answer,
``acting`` does what a key says, ``terminal`` shows it."""
