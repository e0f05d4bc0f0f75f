# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Networks and ensembles: with `stellarclass.training`, the only place where torch is used."""
