"""The version of this client, told to the server in its User-Agent."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("safelight-client")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0"
