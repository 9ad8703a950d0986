"""Ports: is one free, who holds it, find another."""

from __future__ import annotations

import socket

import psutil


class PortInUse(Exception):
    """Somebody else listens where Outlay is to listen."""


def require_free(host: str, port: int, setting: str) -> None:
    """Raise `PortInUse` with the holder's name when it can be seen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"Port {port} on {host} is in use{_holder(port)}. "
                f"Stop it, or choose another port: {setting}=<port>."
            ) from error


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status != psutil.CONN_LISTEN or not address or not connection.pid:
                continue
            if address.port == port:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # another user's sockets are not ours to see on every system
    return ""
