"""`python -m retrieval.mock_model --port P`: the stub without Django, up in a moment."""

from __future__ import annotations

import argparse
import sys

from ragadmin.errors import ConfigurationError
from retrieval.mock_model.server import add_arguments, serve

parser = argparse.ArgumentParser(prog="python -m retrieval.mock_model")
add_arguments(parser)
arguments = parser.parse_args()
try:
    serve(arguments.host, arguments.port)
except ConfigurationError as error:
    sys.exit(f"ragadmin: {error}")
