"""`python -m report serve`: the page on this machine."""

import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report.dashboard.watch import Watch

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(paths: Sequence[Path], *, host: str, port: int) -> None:
    """Serve until it is stopped. ValueError where there is no run, no such port, or no Dash."""
    watch = Watch(paths)
    server = make_server(watch, host=host, port=port)
    runs = len(watch.keys())
    print(f"{runs} run{'s' * (runs != 1)} at http://{host}:{server.port}/  (Ctrl-C stops)")
    if host not in LOOPBACK:
        print(f"Anyone who reaches {host} sees these runs: there is no password.")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def make_server(watch: Watch, *, host: str, port: int) -> Any:
    """A threaded server; port 0 is any free one."""
    try:
        from report.dashboard.app import make_app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "dash":
            raise
        raise ValueError("the dashboard needs Dash: pip install 'paredown[dashboard]'") from None
    from werkzeug import serving

    check_free(host, port)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request says nothing
    app = make_app(watch)
    watch.view(watch.keys()[0]).warm()
    return serving.make_server(host, port, app.server, threaded=True)


def check_free(host: str, port: int) -> None:
    """ValueError where another program has the port, or the address is not this machine's."""
    if not 0 <= port < 65536:
        raise ValueError(f"--port: {port} given; allowed: 0 (any free one) to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = f"; another: --port {port + 1}" if port else ""
            raise ValueError(f"--host {host} --port {port}: {error.strerror or error}{advice}") from None
