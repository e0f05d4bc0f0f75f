# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The examples in the pages run as tests; Sphinx's own files are not examples."""

collect_ignore = ["conf.py", "registries.py", "_build", "api", "gallery"]
